"""The door: parse, call, print; the one error handler."""
