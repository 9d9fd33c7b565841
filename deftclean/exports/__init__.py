"""`export`: a score table into the formats of other tools. No torch.

In reading order::

    formats: what can be written, and what each holds by default
    names: names that every file system takes
    corrected: suggestions in place of given labels
    rows: which rows, under which label
    tables: exports that are one table
    changes: the log of corrected labels
    pieces: such an export, read and written some rows at a time
    json_lines: a table as JSON lines that come back as they were
    folders: exports that are pictures
    tasks: samples for FiftyOne, tasks for Label Studio
    export: `export()`, whole
"""
