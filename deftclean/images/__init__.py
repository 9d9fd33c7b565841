"""Encoded bytes to pixels, and which rows are usable.

An image is encoded bytes; a picture is what they decode to.
"""
