"""Simulated devices with physical behaviour; also the test fixtures."""
