"""Expressions about a score table, decided, and printed in five formats. No torch."""
