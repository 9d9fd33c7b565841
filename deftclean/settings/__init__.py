"""Settings of detector, adaptation and strategies: defaults, presets, recipes, checks. No torch.

In reading order:

    training: what both phases train with: fields, help texts, bounds
    checks: whether a value fits its field, and all of them their bounds
    detector: the rest of a detector's settings, presets, what follows from the number of rows
    adaptation: the rest of an adaptation's settings, a recipe for each backbone and method
    strategies: ways of selecting rows beside DEFT, and what each of them takes
"""
