"""Encoded bytes to pixels, and which rows are usable.

An image is encoded bytes; a picture is what they decode to.

In reading order::

    tiff: what is peculiar to TIFF
    bare: encoded pictures without what stands beside their pixels
    limits: what a picture may cost, in memory and time
    rgb: pictures of every mode to RGB
    decoding: encoded bytes to an upright RGB picture
    resizing: pictures to the pixels a model is asked about
    augmenting: timm's stronger augmentation of them
    look: what a picture looks like, in numbers
    quality: why a picture is a bad one
    sources: where encoded bytes come from
    stored: images behind a URL, or packed in tar files
    row_images: the image of every row of a manifest
    table_images: the pictures of a score table
    packs: resized pictures in few large files
    cache: resized pictures and embeddings that outlive a run
    workers: processes that make batches
    loading: batches of pixels, from the cache or decoded
    first_pass: read, hash, decode, resize, each image once
    usable_rows: which rows can be read, and what each can be used for
    prepared: how every command begins with its pictures
"""
