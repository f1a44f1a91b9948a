"""The words everyone shares; pure."""
