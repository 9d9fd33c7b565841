"""Measurements that anyone can repeat; each script prints the table that stands in docs/."""
