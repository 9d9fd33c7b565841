"""Expressions about a score table, decided, and printed in five formats. No torch.

In reading order::

    expressions: `noise_rate[cat]>0.1`, parsed, never evaluated
    results: gates, findings, changes and the exit code, as values
    verify: what was altered since the table was made
    alike: pictures that look nearly the same, by their perceptual hashes
    elsewhere: pictures of a table that are in another one too
    listed: the rows that are listed, and the baseline that some of them come from
    check: `check()`: a table, and an earlier one, against its gates
    formats.text: for people
    formats.json: as JSON of a published schema
    formats.github: as GitHub annotations
    formats.junit: as JUnit XML
    formats.sarif: as SARIF
"""
