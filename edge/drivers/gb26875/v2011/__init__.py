"""The protocol as issued in 2011: frames, and what stands in them. Pure: bytes in, facts out."""
