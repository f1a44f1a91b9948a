"""Flags: what holds back telling people of an alarm, for how long and why."""
