"""Phase 2: `adapt`, `predict`, `load_classifier`.

In reading order::

    options: which rows and labels, and which test
    training_rows: which rows of a score table are learned from
    trusted_rows: the rows to test on, as far as a table tells
    data_sets: the rows to learn from and to test on, read and checked
    sets: those rows with their pictures
    classifiers: pixels or features to logits
    losses: the losses behind one signature
    inputs: what a classifier is shown
    learner: what is trained, made from backbone and method
    fine_tuning: the training loop of phase 2
    turn: TURN's selection by a linear probe
    evaluation: accuracy, confusion, calibration
    trainer: one training, tested after every epoch
    adapt: `adapt()`, whole
    run_card: what a run folder says of itself
    saved_classifier: a classifier on disk, and back
    run_folder: weights, figures, pictures and a model card
    charts: learning curve and confusion
    model_card: README.md of a run folder
    predict: `predict()` and `load_classifier()`
"""
