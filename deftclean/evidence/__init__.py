"""One probability from all the evidence: witnesses, the noise of labels, and what is believed.

Log-probabilities and labels in, posteriors and rates out: it knows no picture, file or model.

In reading order::

    agreement: labels by how far annotators agreed
    given_labels: what pictures were given, and how they are dealt into parts
    known: what people know of pictures
    witness: what a witness is; linear ones
    head: a linear head, fitted through the noise and cross-fitted
    search: the most similar vectors, exactly or by an index
    neighbours: the labels of the pictures that look most alike
    near_copies: nearly identical pictures
    strangers: pictures that fit no class
    noise: how labels come to be wrong
    pool: weights, bias and noise, fitted jointly
    correction: what people's decisions say of the model's own
    belief: several pools, and the posterior
    weigh: who is heard, and how much each pool is believed
    rates: how much is wrong, with an interval
    reliability: whether what was foretold happened as often
    decision: from posterior to `keep`
    saved: what is kept for new pictures
"""
