"""Messages to people, and how they reach them."""
