"""What both phases train with. Knows neither phase.

In reading order::

    losses: the clean probability and DEFT's losses, each beside its equation
    optimiser: SGD or AdamW in any precision
    embeddings: image features that never change
    ahead: batches on their way to the device
    feeds: rows or pictures and their features, batch by batch
    pieces: batches that go through a model in pieces, where memory is small
    sample: a part of the rows to train on
    picture_sets: distinct pictures as batches of pixels
    collapse: have the features become constant?
    mixture: losses to how likely each is of the lower of two heaps
    checkpoint: what a stopped run is gone on with from
    epochs: the loop around epochs: resume, keep, stop
    process_group: several processes that do one run together
"""
