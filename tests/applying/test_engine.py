"""Ray's actors, on hosts that do not see what the asking one has fetched, or has at all."""

import subprocess
from pathlib import Path

import pytest

from deftclean.applying.engine import _Actor, _Job
from deftclean.applying.order import Order
from deftclean.core.progress import Silent
from deftclean.core.run import RunOptions
from deftclean.settings.evidence import EvidenceOptions
from tests.support.commands import Finished, run_cli, run_process
from tests.support.pictures import COLOURS, draw
from tests.support.processes import start_python
from tests.support.stores import Store, running_store

NANO = ("--model", "nano", "--recipe", "deft", "--tuner", "none", "--epochs", "2", "--warmup", "1")
UNITS = ("--unit-rows", "13", "--workers", "0", "-q")
_HOSTS = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=2)
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


def fine(done: Finished) -> Finished:
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures by class, and a detector."""
    home = tmp_path_factory.mktemp("engine")
    for name, colour in COLOURS.items():
        (home / "data" / name).mkdir(parents=True)
        for number in range(12):
            draw(colour, number).save(home / "data" / name / f"{number:02d}.png")
    fine(run_cli("scan", "data", "-o", "one.parquet", "--workers", "0", *NANO, cwd=home))
    return home


def order(home: Path, output: str) -> Order:
    return Order(
        home / "one.detector", home / "data", None, home / output, 13, None, None, None,
        EvidenceOptions(), RunOptions(workers=0, offline=True),
    )  # fmt: skip


def test_an_actor_that_does_not_see_the_pictures_scores_no_unit(home: Path) -> None:
    """Else all of them would be missing. Here their folder is taken away once they were listed."""
    asked = order(home, "gone")
    with asked.opened(Silent()) as work:
        (home / "data").rename(home / "elsewhere")
        try:
            said = _Actor(_Job(asked, work))({"unit": [0, 2]})["said"]
        finally:
            (home / "elsewhere").rename(home / "data")
        assert all(f"does not see {home / 'data'}" in each for each in said)
        seen = _Actor(_Job(asked, work))
        assert seen({"unit": [0, 2]})["said"] == ["scored", "scored"]
        assert seen({"unit": [0, 1]})["said"] == ["found", "scored"]


@pytest.mark.slow
def test_hosts_open_what_is_behind_urls_for_themselves(home: Path, tmp_path: Path) -> None:
    """A cluster of two nodes whose temporary folder is another one than that of who asks."""
    pytest.importorskip("ray", reason="needs ray")
    with running_store() as store:
        store.put_folder(home / "data", "in/images")
        store.put_folder(home / "one.detector", "in/one.detector")
        words = ("score", "s3://bucket/in/one.detector", "s3://bucket/in/images", *UNITS, "-o")
        fine(run_cli(*words, "s3://bucket/parts", "--part", "1/1", cwd=tmp_path))
        theirs = tmp_path / "theirs"
        theirs.mkdir()
        hosts = start_python(
            "-c", _HOSTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            cwd=tmp_path, TMPDIR=str(theirs), RAY_TMPDIR="/tmp",  # its sockets need short names
        )  # fmt: skip
        try:
            address = hosts.stdout.readline().strip()
            assert address
            before = opened(store)
            pool = ("s3://bucket/pool/", "--engine", "ray", "--actors", "2")
            done = fine(run_process(*words, *pool, cwd=tmp_path, RAY_ADDRESS=address))
            assert "3 scored" in done.stdout
            assert "deftclean-run-" not in done.stdout + done.stderr
            assert opened(store) - before >= 4  # who asks, who begins, two actors
        finally:
            hosts.communicate("", timeout=60)
        assert not list(theirs.glob("deftclean-run-*"))
        names = [name.removeprefix("parts/") for name in store.names("parts")]
        assert names == [name.removeprefix("pool/") for name in store.names("pool")]
        assert any(name.startswith("parts/rows-") for name in names)
        for name in names:
            made = [store.files().cat_file(f"bucket/{key}/{name}") for key in ("parts", "pool")]
            assert made[0] == made[1], name
        assert b'"image_root": "in/images"' in store.files().cat_file("bucket/pool/_COMMIT.json")


def opened(store: Store) -> int:
    """How often the detector's card was fetched."""
    asked = [path for method, path in store.requests if method == "GET"]
    return sum(path.endswith("one.detector/detector.json") for path in asked)
