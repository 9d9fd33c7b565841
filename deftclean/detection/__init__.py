"""Phase 1: `scan`, `select`: the evidence, DEFT, and in strategies what else there is.

In reading order::

    scan: `scan()`: what was asked, checked before any work
    scanning: its work, from the first look at the pictures to the table
    modelless: the same without a model: own numbers alone
    task: what every way of selecting rows is given, and gives back
    deft: DEFT's own way: train the detector, judge every row
    train: the training loop of phase 1
    step: what one step reads of the similarities
    evidence: the default: all witnesses heard, one probability
    cross_fit: DEFT as a witness: two detectors, each asked about the other's half
    strategies.rules: which rows a strategy keeps: NumPy in and out
    strategies.linear_head: the classifier that rules look at
    strategies.neighbours: nearest pictures' labels, distances from class means
    strategies.confident: confident learning, by cleanlab
    strategies.select_rows: the other ways, behind DEFT's signature
    warnings: what may make a result useless, in words
    cost: what a run will take
    assembly: scores and findings to the score table
    result: what `scan`, `score` and `select` give back
    select: `select()`: `keep` decided anew, without torch
"""
