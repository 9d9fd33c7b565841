"""`report` and `review`. No torch."""
