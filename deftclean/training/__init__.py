"""What both phases train with."""
