"""Data whose truth is known: public sets, noise put in, the demonstration.

In reading order::

    options: which noise, which part of a data set
    truth: the true label of every row, beside a table of given ones
    noisy_table: a table with other labels in it
    transitions: transition matrices from class changes or a file
    instance_pixels: the pixels that instance-dependent noise looks at
    noise: clean labels in, noisy labels out; reads no file
    corrupt: `corrupt()`, whole
    public_sets: what loaders of public sets share
    cifar: CIFAR-10, CIFAR-100 and CIFAR-N
    image_sets: Tiny-ImageNet, Stanford-Cars, CUB-200-2011
    web_sets: Clothing1M, WebVision, Food-101N, Animal-10N
    dataset: `dataset()` and `load_dataset()`
    demo: scikit-learn's digits, some mislabelled
"""


def __getattr__(name: str) -> object:
    if name != "load_dataset":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from deftclean.datasets.dataset import load_dataset

    return load_dataset
