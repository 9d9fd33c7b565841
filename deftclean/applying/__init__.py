"""A saved detector applied to rows that it has not seen: all at once, or a part at a time.

In reading order::

    score: `score()`: new data in, a score table out
    asked: what the command was given beside the data, checked against the detector
    judge: the detector at work, loaded once
    new_rows: what it and its witnesses say of new pictures, and the verdict
    parts: `score_parts()`: some units of a data set, into a folder that several processes fill
    order: the same as the user said it, for a process on any host
    options: which part, how many rows at a time, by which engine
    plan: the units, and what all who fill a folder must agree on
    sharded: rows that are asked for unit by unit
    job: what is to be done, and how far it is
    work: one worker at its units
    unit_rows: the rows of one unit, judged each by itself
    unit_facts: what a unit says of itself
    folder: where units are written
    commit: all units are there: the folder is a table
    engine: units dealt out to Ray actors
"""
