"""Phase 1: `scan`, `score`, `select`."""
