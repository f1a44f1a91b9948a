"""Scripted causes: what goes wrong, when, and what was really true meanwhile."""
