"""Data whose truth is known: public sets, noise put in, the demonstration."""


def __getattr__(name: str) -> object:
    if name != "load_dataset":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from deftclean.datasets.dataset import load_dataset

    return load_dataset
