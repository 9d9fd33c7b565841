"""`bench`: grids of cells, run, kept, tabled beside the paper.

In reading order::

    cells: one choice of data, noise, selection, adaptation and seed each
    grid_form: a grid file's values as the kinds they must be
    grid_settings: the settings in it
    grid: what it means: data, and cells to run on them
    published: the figures that the paper prints
    paper_layout: rows and columns of its tables
    paper: its tables and figures by name, as cells
    choose: which cells are run
    own_data: data that a grid file declares
    data: the rows of a cell
    cost: time and memory of a piece of work
    all_rows: a score table where nothing is selected
    run: one cell, run
    results: one row for each cell, in one file
    tables: results as tables, methods by columns
    bench: `bench()`, whole
"""
