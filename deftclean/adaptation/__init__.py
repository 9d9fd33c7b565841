"""Phase 2: `adapt`, `predict`, `load_classifier`."""
