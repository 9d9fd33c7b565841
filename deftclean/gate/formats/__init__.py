"""A check, printed."""
