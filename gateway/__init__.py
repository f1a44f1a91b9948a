"""From the broker to history: validate, explain, check time, write, acknowledge."""
