"""Settings of detector, adaptation and strategies: defaults, presets, recipes, checks. No torch."""
