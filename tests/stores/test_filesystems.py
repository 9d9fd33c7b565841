"""What a kind of URL needs, and what is said where that is missing."""

import pytest

from deftclean.core.errors import UsageError
from deftclean.stores import filesystems
from deftclean.stores.filesystems import filesystem
from deftclean.stores.urls import SCHEMES


@pytest.mark.parametrize(
    ("scheme", "said"),
    [
        ("s3", "s3:// needs s3fs: pip install 'deftclean[s3]'"),
        ("gs", "gs:// needs gcsfs: pip install 'deftclean[gcs]'"),
        ("az", "az:// needs adlfs: pip install 'deftclean[azure]'"),
        ("https", "https:// needs aiohttp: pip install 'deftclean[https]'"),
        ("hf", "hf:// needs huggingface_hub: pip install huggingface_hub"),
    ],
)
def test_what_is_missing_is_one_message(
    scheme: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystems, "find_spec", lambda _name: None)
    with pytest.raises(UsageError) as refused:
        filesystem(scheme)
    assert refused.value.message == said


def test_every_scheme_is_known() -> None:
    assert set(filesystems._PACKAGES) == set(SCHEMES)


def test_a_package_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    def broken(*_: object, **__: object) -> None:
        raise ImportError("libcrypto is gone")

    monkeypatch.setattr(fsspec, "filesystem", broken)
    with pytest.raises(UsageError, match="cannot be loaded: libcrypto is gone"):
        filesystem("memory")
