"""The outside world behind the shared ports; imported by main.py files and ops only."""
