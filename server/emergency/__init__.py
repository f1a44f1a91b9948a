"""Emergency plans and their runs: signals confirmed, people called, steps followed."""
