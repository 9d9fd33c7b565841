"""`bench`: grids of cells, run, kept, tabled beside the paper."""
