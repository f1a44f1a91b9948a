"""Benchmarks of the whole product; each row holds a figure against its bar."""
