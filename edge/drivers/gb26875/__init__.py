"""Fire transmission devices that connect to us and tell by themselves (GB/T 26875.3)."""
