"""The life of a rule: drafted, reviewed by a second person, in effect, retired."""
