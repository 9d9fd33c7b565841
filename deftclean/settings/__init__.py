"""Every setting: defaults, presets, recipes, bounds and help texts. No torch.

In reading order::

    training: what both phases train with
    detector: the detector's settings, presets, and what follows from N
    adaptation: a recipe for each backbone and method
    strategies: ways of selecting rows beside DEFT, and which settings each takes
    evidence: what the user brings beside the model
    checks: whether values fit their types and bounds
"""
