"""CLIP towers, visual tuners, dual prompts, backbones, weights, the saved detector."""
