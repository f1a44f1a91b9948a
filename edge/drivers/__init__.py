"""How the edge talks to devices."""
