"""What was used, when, and what it costs: right consumption from counters, tariffs, the month."""
