"""What is taken for a URL, what is refused, and the place of each in a mirror."""

import tempfile
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deftclean.core.errors import UsageError
from deftclean.stores.urls import (
    SCHEMES,
    Url,
    UrlPath,
    mirror_of,
    mirrored,
    place_of,
    shown_place,
    url_of,
    without_places,
)

RUN = Path(tempfile.gettempdir()).resolve() / "deftclean-run-0123456789abcdef"
PARTS = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="/\\@?#"), min_size=1
).filter(lambda part: part not in (".", ".."))


@pytest.mark.parametrize("text", ["s3://b/k/x.csv", "gs://b", "az://c/x", "hf://datasets/a/b"])
def test_a_url_is_one_as_text_and_as_the_path_that_is_made_of_it(text: str) -> None:
    assert str(url_of(text)) == text == str(url_of(Path(text))) == str(url_of(f"{text}/"))


@pytest.mark.parametrize(
    "local",
    [
        "data", "/data/x", "C:\\data", "C:/data", "c:/x", "local-dir:/models/x", "hf-hub:org/name",
        "./s3:/x", "a:b/c", "nano", "",
    ],
)  # fmt: skip
def test_what_is_local_is_no_url(local: str) -> None:
    assert url_of(local) is None

    # `s3:/x` as a path is what becomes of s3://x.
    assert local == "./s3:/x" or url_of(Path(local)) is None


def test_a_windows_path_is_no_url() -> None:
    assert url_of(PureWindowsPath(r"C:\data\x")) is None
    assert url_of(PureWindowsPath("C:/data")) is None


def test_a_folder_with_a_colon_in_its_name_stays_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run:" / "x").mkdir(parents=True)
    assert url_of(Path("run:/x")) is None


@pytest.mark.parametrize(
    "text",
    [
        "https://user:hunter2@host/x.csv", "s3://AKIA:hunter2@bucket/x", "az://hunter2@c/x",
        "https://host/x.csv?X-Amz-Signature=hunter2", "az://c/x.csv?sig=hunter2",
        "gs://b/x?GoogleAccessId=hunter2", "https://host/x#hunter2",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [str, Path])
def test_credentials_in_a_url_are_refused_and_not_repeated(text: str, kind: type) -> None:
    with pytest.raises(UsageError) as refused:
        url_of(kind(text))
    assert "hunter2" not in f"{refused.value.message} {refused.value.hint}"
    assert "not opened" in refused.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ftp://host/x", "ftp:// is no place"),
        ("file:///x", "file:// is no place"),
        ("http://example.org/x.csv", "https://"),
        ("s3://b/../c", "no plain place"),
        ("s3://", "no plain place"),
        ("s3://b/a//c", "no plain place"),
        ("s3://b/a\nb", "no plain place"),
    ],
)
def test_what_nobody_opens_is_said(text: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        url_of(text)
    assert said in f"{refused.value.message} {refused.value.hint}"


@given(st.sampled_from(SCHEMES), st.lists(PARTS, min_size=1, max_size=5))
def test_every_url_has_a_place_of_its_own(scheme: str, parts: list[str]) -> None:
    url = Url(scheme, "/".join(parts))
    place = place_of(url, mirror_of(RUN))
    assert place.is_relative_to(mirror_of(RUN))
    assert mirrored(place) == url == shown_place(place)


@pytest.mark.parametrize(
    "path",
    [
        "/data/deftclean-run-0123456789abcdef/urls/s3/b/x",
        f"{tempfile.gettempdir()}/x/deftclean-run-0123456789abcdef/urls/s3/b/x",
        f"{tempfile.gettempdir()}/deftclean-run-0123/urls/s3/b/x",
    ],
)
def test_no_data_set_brings_a_mirror(path: str) -> None:
    assert mirrored(Path(path)) is None


def test_messages_and_results_speak_of_urls() -> None:
    mirror = mirror_of(RUN)
    text = f"{place_of(Url('s3', 'b/x.csv'), mirror)}: line 3; {mirror}/gs/c/y"
    assert without_places(text, mirror) == "s3://b/x.csv: line 3; gs://c/y"
    assert str(UrlPath(place_of(Url("s3", "b/x.csv"), mirror))) == "s3://b/x.csv"
    assert str(UrlPath("/data/x")) == "/data/x"


def test_a_bucket_is_what_no_way_leaves() -> None:
    assert Url("s3", "b/k/x").root == "b"
    assert Url("hf", "datasets/org/name/x").root == "datasets/org/name"
