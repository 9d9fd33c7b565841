"""All witnesses heard: what a user brings beside the model, head and neighbours, one verdict.

In reading order::

    brought: what a user brings, read before any picture is
    own_numbers: the same by picture, checked, as features and a witness
    hear: everybody is heard, and what they say is weighed
    judging: every readable row judged by it
    embed: features of a table's pictures as a file
"""
