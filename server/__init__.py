"""Alarms, dispatch, emergency, energy and the API."""
