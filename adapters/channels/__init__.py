"""Ways a message reaches a person."""
