"""CLIP towers, visual tuners, dual prompts, backbones, weights, the saved detector.

In reading order::

    blocks: one transformer block, without what is never read
    encoder: frozen CLIP towers that accept injected prompts
    tuners: visual tuners: prompts, LoRA, AdaptFormer, BitFit, all weights
    prefixes: prompts that begin alike, without encoding the beginning twice
    prompts: the dual textual contexts (Eq. 2 and 3)
    averaged_prompts: contexts around several texts of each class
    detector: towers, tuner and contexts to similarities
    preprocessing: how a model wants its pictures
    tensors: tensors to files, and from files that nobody vouches for
    hub: files of the Hugging Face hub
    weights: what the user calls a model to loaded towers
    arguments: what a folder may say of how timm builds its model
    backbones: what the user calls a backbone to a timm model with a new head
    detector_card: what a detector folder says of itself
    saved_detector: a trained detector on disk
"""
