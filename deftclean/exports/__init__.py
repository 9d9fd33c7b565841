"""`export`. No torch."""
