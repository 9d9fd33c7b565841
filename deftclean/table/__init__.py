"""The score table, the contract between all other rooms. No torch."""
