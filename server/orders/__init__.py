"""Work orders: states, assignment, time limits, one-tap accept."""
