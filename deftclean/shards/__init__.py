"""Pictures packed into few large files: where each lies, and what stands beside it. No torch.

Nothing is unpacked; a picture is read from its place.

In reading order::

    tars: the members of a tar file, and where their bytes are
    patterns: lists of shards as people write them
    webdataset: tar files of pictures and their labels, as rows
    saved_sets: Arrow files that Hugging Face's datasets saved
    packed: pictures by the name of their shard and their own
"""
