"""Text from file names and labels, made harmless where it is shown."""


def visible(text: str) -> str:
    r"""Control characters, and others that cannot be seen, as escapes: "a\nb" -> "a\\nb".

    What stays is printable, on one line, and allowed in XML.
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
