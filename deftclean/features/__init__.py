"""A loaded model's look at the pictures of a run: features, and what CLIP says of every row.

In reading order::

    class_texts: the texts that stand for the classes
    session: a loaded model at work on the pictures of one run
    columns: values of rows that arrive in batches
    scoring: the final evaluation of every row, by zero-shot and by a detector
    early: features of pictures while others are still being read
    embedding: every picture through a frozen model once, or out of the cache
    pictures: the distinct readable pictures of a run, as features
    backbone: the same of another model than CLIP
"""
