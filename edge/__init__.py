"""The edge agent: poll, judge, journal, publish."""
