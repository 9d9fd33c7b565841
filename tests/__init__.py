"""Tests, in folders that mirror the rooms of the package; helpers are in `support`."""
