"""Devices as physics: what happens in them, apart from how a register says it."""
