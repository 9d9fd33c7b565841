"""The score table, the contract between all other rooms. No torch.

In reading order::

    facts: what a table says of itself, looked at once
    emptied: classes from which nothing is kept
    seal: whether a table is as it was written
    ways: what it names, by ways from where it is
    parts: a table in one file or in many
    scores: its columns, how it is written and read, what `keep` means
    estimate: what it says of how much is wrong
    reviewed: what people decided, and what follows for `keep`
    copies: rows of the same picture that contradict each other, or leak
    kinds: the kind of each row, in one word
    intervals: exact intervals of shares
    audit: a random sample, and what decisions about it prove
    splits: names of splits, and which rows are of one
    summary: a table at a glance
    fingerprints: texts as keyed numbers, where they are only told apart
    slim: a table of which a few bytes of each row are held
    problems: what is wrong with each row, as numbers that can be counted
    own_files: a user's numbers for each row, by row or name
    places: the line, image or table that a row comes from
    comparison: two tables, row by row, and what changed
"""
