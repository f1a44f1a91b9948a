"""Data only: sites, profiles, rules, plans, tariffs and texts."""
