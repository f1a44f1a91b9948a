"""The story: what a newcomer should see happen, each step observed from outside."""
