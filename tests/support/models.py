"""Small models."""

import open_clip

from deftclean.models.encoder import Encoder


def tiny_encoder() -> Encoder:
    """A CLIP of two small layers each, on the default device."""
    vision = {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16}
    text = {"context_length": 24, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
    preprocess = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "size": (32, 32)}
    model = open_clip.CLIP(16, vision, text)
    return Encoder(model, open_clip.SimpleTokenizer(context_length=24), preprocess)
