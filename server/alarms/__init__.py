"""Alarms: rules as data, their states, and the life cycle of what they raise."""
