"""Ways from a table to what it is about, where both lie in one bucket."""

import tempfile
from pathlib import Path

import pytest

from deftclean.stores.urls import Url, mirror_of, place_of, place_of_no_run
from deftclean.table.ways import placed


@pytest.mark.parametrize("run", ["0123456789abcdef", "fedcba9876543210"])
def test_a_way_in_a_bucket_does_not_depend_on_the_run_that_fetched(run: str) -> None:
    """A table in parts has its place in no run, what was fetched in one."""
    mirror = mirror_of(Path(tempfile.gettempdir()).resolve() / f"deftclean-run-{run}")
    table = place_of_no_run(Url("s3", "bucket/out/scores/parts/one.parquet"))
    data, detector = (
        place_of(Url("s3", f"bucket/in/{name}"), mirror) for name in ("images", "one.detector")
    )
    told = placed({}, table, data, None, detector)
    assert told["image_root"] == "../../../in/images"
    assert told["detector"] == "../../../in/one.detector"
    same = placed({}, place_of(Url("s3", "bucket/in/t.parquet"), mirror), data, None, None)
    assert same["image_root"] == "images"
    other = placed({}, place_of(Url("s3", "another/t.parquet"), mirror), data, None, None)
    assert other["image_root"] == "s3://bucket/in/images"
