"""What the user points at, a folder or a table, becomes a `Manifest`. No picture is opened."""
