"""What every room may use and what knows no room.

In reading order::

    errors: everything raised on purpose, as one tree with exit codes
    fields: help text, option and bounds of a setting, beside its field
    text: text from file names and labels, made harmless where it is shown
    files: text read with a limit, who holds what, folders of one's own
    switch: files and folders that appear whole and together
    signals: Ctrl-C and SIGTERM, in a process and in its workers
    outputs: may this output be made or replaced?
    cards: what a folder of ours says of itself, read back
    runs: runs of unequal length, kept end to end in one array
    arrow: Arrow columns as NumPy arrays, read from their buffers
    arrow_types: layouts that other programs write, normalised on reading
    csv_text: CSV as RFC 4180 has it; the lines that its records begin on
    tables: CSV, TSV, JSON lines and Parquet to Arrow tables and back
    run: where a run computes and what it keeps for later ones
    runtime: device, precision and randomness
    progress: what a long command tells while it works
    results: how results show themselves
    metrics: how good a selection was, where the truth is known
    samples: random rows that hold classes in proportion
    html: what every HTML page is made with
"""
