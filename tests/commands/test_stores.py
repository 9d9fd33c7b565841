"""Data behind URLs, through the real command line: a store of S3's protocol on this machine."""

import contextlib
import csv
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from deftclean.models.weights import NANO
from deftclean.stores import filesystems, retries
from tests.support.commands import Finished, run_cli, start_process
from tests.support.stores import Store, first_times, hanging_up, running_store, slow

FAST = ("--model", "nano", "--recipe", "zero-shot-margin", "--tuner", "none", "--workers", "0")
BRIEF = ("--model", "nano", "--recipe", "deft", "--tuner", "none", "--epochs", "2", "--warmup", "1")
FOR_EVER = 10**6


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with running_store() as store:
        yield store


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries that follow each other at once."""
    monkeypatch.setattr(retries, "WAITS", (0.01, 0.01, 0.01))


def table_of(path: Path) -> tuple[pa.Table, dict[str, object]]:
    read = pq.read_table(path)
    return read.replace_schema_metadata(None), json.loads(read.schema.metadata[b"deftclean"])


def fetched(store: Store, key: str, path: Path) -> Path:
    path.write_bytes(store.files().cat_file(f"bucket/{key}"))
    return path


def fine(done: Finished) -> Finished:
    assert done.returncode == 0, done.stderr
    return done


@contextlib.contextmanager
def served(folder: Path, failing: str = "\0") -> Iterator[str]:
    """A web server that shows a folder, and fails where a name ends so."""

    class Quiet(SimpleHTTPRequestHandler):
        def send_head(self) -> object:
            if self.path.endswith(failing):
                return self.send_error(503)
            return super().send_head()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def write_labels(folder: Path, *more: str) -> Path:
    """labels.csv beside the pictures, in the table's own order."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label"])
        writer.writerows([name, name.split("/")[0]] for name in names)
        writer.writerows([name, "leaf"] for name in more)
    return folder / "labels.csv"


def test_a_folder_behind_a_url_gives_the_table_of_the_same_folder_here(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    for path in sorted(folder.rglob("*.png"))[::2]:
        path.unlink()
    url = store.put_folder(folder, "one/images")
    fine(run_cli("scan", folder, "-o", "here.parquet", *FAST, cwd=tmp_path))
    with store.failing(first_times(1, "503 Slow Down", ".png")):
        there = "s3://bucket/one/there.parquet"
        done = fine(run_cli("scan", f"{url}/", "-o", there, *FAST, cwd=tmp_path))
    assert there in done.stdout
    assert "deftclean-run-" not in done.stdout + done.stderr
    here, said_here = table_of(tmp_path / "here.parquet")
    far, said_far = table_of(fetched(store, "one/there.parquet", tmp_path / "there.parquet"))
    assert here.equals(far)
    assert (said_here.pop("image_root"), said_far.pop("image_root")) == ("data", "images")
    assert said_here == said_far
    again = run_cli("scan", f"{url}/", "-o", there, *FAST, cwd=tmp_path)
    assert (again.returncode, f"{there} exists already" in again.stderr) == (2, True)


@pytest.mark.slow
class TestReading:
    """What is read behind URLs."""

    @pytest.mark.parametrize("workers", ["0", "2"])
    def test_a_folder_and_a_table(
        self, store: Store, folder: Path, tmp_path: Path, workers: str
    ) -> None:
        write_labels(folder, "cat/gone.png", "../../etc/passwd", "/etc/passwd")
        store.put_folder(folder, f"pair{workers}")
        images, labels = f"s3://bucket/pair{workers}", f"s3://bucket/pair{workers}/labels.csv"
        fast = (*FAST[:-1], workers)
        fine(run_cli("scan", folder, folder / "labels.csv", "-o", "a.parquet", *fast, cwd=tmp_path))
        fine(run_cli("scan", images, labels, "-o", "b.parquet", *fast, cwd=tmp_path))
        here, there = table_of(tmp_path / "a.parquet"), table_of(tmp_path / "b.parquet")
        # The way to a place outside depends on where the folder is; nothing else does.
        names = [each[0]["file_name"].to_pylist() for each in (here, there)]
        assert names[0][:-1] == names[1][:-1]
        rest = [each[0].drop_columns(["file_name"]) for each in (here, there)]
        assert rest[0].equals(rest[1])
        assert here[0]["status"].to_pylist()[-3:] == ["missing", "outside", "outside"]
        assert there[1]["image_root"] == images
        assert there[1]["labels_file"] == labels

    def test_a_table_alone_names_pictures_beside_it(
        self, store: Store, folder: Path, tmp_path: Path
    ) -> None:
        labels = write_labels(folder, "leaf/gone.png")
        store.put_folder(folder, "alone")
        fine(run_cli("scan", labels, "-o", "a.parquet", *FAST, cwd=tmp_path))
        store.requests.clear()
        url = "s3://bucket/alone/labels.csv"
        fine(run_cli("scan", url, "-o", "b.parquet", *FAST, cwd=tmp_path))
        assert table_of(tmp_path / "a.parquet")[0].equals(table_of(tmp_path / "b.parquet")[0])
        pictures = [path for method, path in store.requests if path.endswith(".png")]
        assert len(pictures) <= 61 + 4  # each is asked for once, but for the looks at a few names

    def test_names_without_endings_are_found_by_listing(
        self, store: Store, folder: Path, tmp_path: Path
    ) -> None:
        labels = write_labels(folder)
        labels.write_text(labels.read_text().replace(".png", ""))
        store.put_folder(folder, "endless")
        done = run_cli(
            "scan", "s3://bucket/endless/labels.csv", "-o", "b.parquet", *FAST, cwd=tmp_path
        )
        assert "completed by the files there (.png 60)" in fine(done).stderr
        assert set(table_of(tmp_path / "b.parquet")[0]["status"].to_pylist()) == {"ok"}

    def test_parquet_files_with_images_and_metadata_of_hugging_face(
        self, store: Store, folder: Path, tmp_path: Path
    ) -> None:
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
        pictures = [{"bytes": (folder / name).read_bytes(), "path": name} for name in names]
        labels = [name.split("/")[0] for name in names]
        (tmp_path / "shards").mkdir()
        for at in range(2):
            part = pa.table({"image": pictures[at::2], "label": labels[at::2]})
            pq.write_table(part, tmp_path / "shards" / f"train-{at}-of-2.parquet")
        url = store.put_folder(tmp_path / "shards", "shards")
        fine(run_cli("scan", "shards", "-o", "a.parquet", *FAST, cwd=tmp_path))
        fine(run_cli("scan", url, "-o", "b.parquet", *FAST, cwd=tmp_path))
        assert table_of(tmp_path / "a.parquet")[0].equals(table_of(tmp_path / "b.parquet")[0])
        flat = tmp_path / "flat"
        flat.mkdir()
        lines = [{"file_name": f"{at}.png", "label": label} for at, label in enumerate(labels)]
        for line, name in zip(lines, names, strict=True):
            shutil.copy(folder / name, flat / str(line["file_name"]))
        (flat / "metadata.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        url = store.put_folder(flat, "flat")
        fine(run_cli("scan", flat, "-o", "c.parquet", *FAST, cwd=tmp_path))
        done = fine(run_cli("scan", url, "-o", "d.parquet", *FAST, cwd=tmp_path))
        assert "61 files are listed" in done.stderr
        assert "fetching 1 files of s3://bucket/flat" in done.stderr
        assert table_of(tmp_path / "c.parquet")[0].equals(table_of(tmp_path / "d.parquet")[0])

    def test_odd_objects_are_left_out_and_never_leave_the_folder(
        self, store: Store, folder: Path, tmp_path: Path
    ) -> None:
        store.put_folder(folder, "odd")
        opened, some = store.files(), (folder / "leaf" / "01.png").read_bytes()
        for key in ("odd/leaf/a[1]*?.png", "odd/leaf/ü b#c.png", "odd/leaf/.hidden.png"):
            opened.pipe_file(f"bucket/{key}", some)
        opened.pipe_file("bucket/odd/leaf/x\\y.png", some)
        opened.pipe_file("bucket/odd/leaf/empty.png", b"")
        opened.pipe_file("bucket/odd/leaf/notes.txt", b"x")
        done = fine(run_cli("scan", "s3://bucket/odd", "-o", "b.parquet", *FAST, cwd=tmp_path))
        assert "1 objects that no file can be called like" in done.stderr
        assert "1 file that is no image was left out (.txt 1)" in done.stderr
        table = table_of(tmp_path / "b.parquet")[0].to_pylist()
        status = {row["file_name"]: row["status"] for row in table}
        assert len(status) == 60 + 3
        assert status["leaf/a[1]*?.png"] == status["leaf/ü b#c.png"] == "ok"
        assert status["leaf/empty.png"] == "unreadable"


class Remembering(MemoryFileSystem):
    """What a test puts where the hub's file system would look."""

    protocol = "hf"
    store: ClassVar[dict[str, object]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]


@pytest.mark.slow
class TestOtherStores:
    """The same by other packages, as far as they can be tried here."""

    def test_a_web_server(self, folder: Path, tmp_path: Path) -> None:
        labels = write_labels(folder, "leaf/gone.png")
        picture = folder / "leaf" / "01.png"
        picture.rename(folder / "leaf" / "ü 1#?.png")
        labels.write_text(labels.read_text().replace("leaf/01.png", "leaf/ü 1#?.png"))
        with served(folder) as address:
            url = f"{address}/labels.csv"
            done = run_cli("scan", url, "-o", "b.parquet", *FAST, cwd=tmp_path)
            fine(done)
            images = run_cli("scan", f"{address}/leaf/", cwd=tmp_path)
        fine(run_cli("scan", labels, "-o", "a.parquet", *FAST, cwd=tmp_path))
        here, there = table_of(tmp_path / "a.parquet"), table_of(tmp_path / "b.parquet")
        assert here[0].equals(there[0])
        assert here[0]["status"].to_pylist()[-1] == "missing"
        assert there[1]["image_root"] == address
        assert images.returncode == 2

    @pytest.mark.usefixtures("patience")
    def test_a_web_server_that_fails_is_not_one_that_has_nothing(
        self, folder: Path, tmp_path: Path
    ) -> None:
        write_labels(folder)
        with served(folder, failing="01.png") as address:
            scan = ("scan", f"{address}/labels.csv", "-o", "b.parquet", *FAST)
            done = run_cli(*scan, cwd=tmp_path)
        assert done.returncode == 3, done.stderr
        assert "leaf/01.png could not be read, in 4 tries: 503" in done.stderr
        gone = run_cli(*scan, cwd=tmp_path)
        assert (gone.returncode, "labels.csv could not be read" in gone.stderr) == (3, True)

    def test_a_file_system_that_asks_for_one_at_a_time(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules["fsspec.registry"]._registry, "hf", Remembering)
        opened = fsspec.filesystem("hf", use_listings_cache=False)
        for path in sorted(folder.rglob("*.png")):
            name = path.relative_to(folder).as_posix()
            opened.pipe_file(f"hf://datasets/org/name/images/{name}", path.read_bytes())
        url = "hf://datasets/org/name/images"
        out = "hf://datasets/org/name/clean.parquet"
        fine(run_cli("scan", url, "-o", out, *FAST, cwd=tmp_path))
        fine(run_cli("scan", folder, "-o", "a.parquet", *FAST, cwd=tmp_path))
        fine(run_cli("report", out, "-o", "r.html", cwd=tmp_path))
        (tmp_path / "b.parquet").write_bytes(opened.cat_file(out))
        there, said = table_of(tmp_path / "b.parquet")
        assert table_of(tmp_path / "a.parquet")[0].equals(there)
        assert said["image_root"] == "images"


@pytest.mark.slow
@pytest.mark.usefixtures("patience")
class TestFaults:
    """A store that fails: said once, and never taken for an answer."""

    @pytest.mark.parametrize("workers", ["0", "2"])
    def test_a_picture_that_cannot_be_had_is_not_missing(
        self, store: Store, folder: Path, tmp_path: Path, workers: str
    ) -> None:
        url = store.put_folder(folder, "broken")
        fast = (*FAST[:-1], workers)
        with store.failing(first_times(FOR_EVER, "503 Slow Down", "leaf/01.png")):
            done = run_cli("scan", url, "-o", "b.parquet", *fast, cwd=tmp_path)
        assert done.returncode == 3, done.stderr
        assert "s3://bucket/broken/leaf/01.png could not be read, in 4 tries" in done.stderr
        assert done.stderr.count("Error:") == 1
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "b.parquet").exists()

    @pytest.mark.parametrize("part", ["bucket/refused/leaf/01.png", "bucket/refused/labels.csv"])
    def test_what_may_not_be_read_is_said_at_once(
        self, store: Store, folder: Path, tmp_path: Path, part: str
    ) -> None:
        write_labels(folder)
        url = store.put_folder(folder, "refused")
        with store.failing(first_times(FOR_EVER, "403 Forbidden", part)):
            done = run_cli("scan", url, f"{url}/labels.csv", "-o", "b.parquet", *FAST, cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        assert f"s3://{part} may not be read" in done.stderr

    def test_slow_answers_are_waited_for_or_asked_again(
        self, store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = store.put_folder(folder, "slow")
        monkeypatch.setattr(filesystems, "READ", 0.5)
        late = first_times(1, "", "leaf/01.png")

        def fault(environ: dict[str, object]) -> None:
            if late(environ) is not None:
                slow(1.5, "")(environ)

        with store.failing(fault):
            fine(run_cli("scan", url, "-o", "b.parquet", *FAST, cwd=tmp_path))
        assert set(table_of(tmp_path / "b.parquet")[0]["status"].to_pylist()) == {"ok"}
        with store.failing(slow(0.8, "leaf/01.png")):
            done = run_cli("scan", url, "-o", "c.parquet", *FAST, "--no-cache", cwd=tmp_path)
        assert done.returncode == 3, done.stderr
        assert "leaf/01.png could not be read" in done.stderr

    def test_connections_that_are_lost_are_made_again(
        self, store: Store, folder: Path, tmp_path: Path
    ) -> None:
        url = store.put_folder(folder, "lost")
        with store.failing(hanging_up(2, "/lost/")):
            fine(run_cli("scan", url, "-o", "b.parquet", *FAST, cwd=tmp_path))
        assert set(table_of(tmp_path / "b.parquet")[0]["status"].to_pylist()) == {"ok"}
        with store.failing(hanging_up(FOR_EVER, "leaf/01.png")):
            done = run_cli("scan", url, "-o", "c.parquet", *FAST, cwd=tmp_path)
        assert done.returncode == 3, done.stderr
        assert "s3://bucket/lost/leaf/01.png could not be read, in 4 tries" in done.stderr

    def test_an_object_that_changes_after_it_was_listed(
        self, store: Store, folder: Path, tmp_path: Path
    ) -> None:
        url = store.put_folder(folder, "grown")
        larger = [b"x" * 100_000]

        def other(environ: dict[str, str]) -> None:
            if environ["PATH_INFO"].endswith("leaf/01.png") and larger:
                store.files().pipe_file("bucket/grown/leaf/01.png", larger.pop())

        with store.failing(other):
            done = run_cli("scan", url, "-o", "c.parquet", *FAST, cwd=tmp_path)
        assert done.returncode == 3, done.stderr
        assert f"{url}/leaf/01.png has changed since it was listed" in done.stderr

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_run_that_is_stopped_leaves_nothing(
        self, store: Store, folder: Path, tmp_path: Path, number: int
    ) -> None:
        url = store.put_folder(folder, "stop/images")
        asked = threading.Event()

        def fault(environ: dict[str, object]) -> None:
            if str(environ["PATH_INFO"]).endswith("leaf/01.png"):
                asked.set()
                time.sleep(5)

        scan = ("scan", url, "-o", "s3://bucket/stop/c.parquet", *FAST)
        with store.failing(fault):
            pipe = subprocess.PIPE
            process = start_process(*scan, cwd=tmp_path, stderr=pipe, TMPDIR=str(tmp_path))
            assert asked.wait(60)
            process.send_signal(number)
            _, errors = process.communicate(timeout=60)
        assert process.returncode == 128 + number, errors
        assert "Traceback" not in errors
        assert list(tmp_path.glob("deftclean-*")) == []
        assert [name for name in store.names("stop") if "/images/" not in name] == []

    def test_nobody_is_there(self, store: Store, tmp_path: Path) -> None:
        nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()
        done = run_cli("check", "s3://bucket/x.parquet", cwd=tmp_path, **nowhere)
        s3fs.S3FileSystem.clear_instance_cache()
        assert done.returncode == 3, done.stderr
        assert "s3://bucket/x.parquet could not be read, in 4 tries" in done.stderr

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            (("scan", "s3://bucket/none"), 2, "s3://bucket/none does not exist"),
            (("scan", "s3://no-bucket/none"), 2, "s3://no-bucket/none does not exist"),
            (("check", "s3://bucket/none.parquet"), 2, "s3://bucket/none.parquet is not a file"),
            (("check", "s3://k:hunter2@bucket/x.parquet"), 2, "user name or a password"),
            (("check", "https://host/x.parquet?X-Amz-Signature=hunter2"), 2, "signatures"),
            (("scan", "s3://bucket/none", "--offline"), 2, "--offline forbids opening s3://"),
            (("scan", "s3://bucket/none", "--cache-dir", "s3://bucket/c"), 2, "--cache-dir"),
            (("scan", "x", "-o", "s3://bucket/c.parquet", "--resume"), 2, "--resume cannot go"),
            (("scan", "x", "-o", "s3://no-bucket/c.parquet"), 2, "there is no no-bucket"),
            (("scan", "x", "-o", "https://host/c.parquet"), 2, "nothing can be written there"),
            (("scan", "gs://bucket/x"), 2, "gs:// needs gcsfs: pip install 'deftclean[gcs]'"),
            (("scan", "az://bucket/x"), 2, "az:// needs adlfs: pip install 'deftclean[azure]'"),
            (("scan", "ftp://bucket/x"), 2, "ftp:// is no place that is opened"),
            (("demo", "s3://bucket/demo"), 2, "demo writes its pictures to a local disk"),
            (("dataset", "cifar10", "s3://bucket/c", "-o", "x"), 2, "dataset reads public sets"),
            (("bench", "g.toml", "--data", ".", "-o", "s3://bucket/b"), 2, "bench keeps what it"),
        ],
    )
    def test_one_clear_message(
        self, store: Store, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
    ) -> None:
        done = run_cli(*arguments, cwd=tmp_path, COLUMNS="300")
        assert done.returncode == code, done.stderr
        assert said in done.stderr
        assert "hunter2" not in done.stderr + done.stdout
        assert "deftclean-run-" not in done.stderr
        assert done.stderr.count("Error:") == 1


@pytest.mark.slow
@pytest.mark.usefixtures("patience")
class TestOutputs:
    """What commands make behind URLs."""

    def test_a_detector_and_its_table_go_through_all_commands(
        self, store: Store, folder: Path, tmp_path: Path
    ) -> None:
        url = store.put_folder(folder, "work/images")
        home = "s3://bucket/work"
        table = f"{home}/clean.parquet"
        done = fine(run_cli("scan", url, "-o", table, *BRIEF, "--json", cwd=tmp_path))
        said = json.loads(done.stdout)
        assert (said["output"], said["detector"]) == (table, f"{home}/clean.detector")
        assert "work/clean.detector/detector.json" in store.names("work/clean.detector")
        fine(run_cli("check", table, "--verify", cwd=tmp_path))
        fine(run_cli("score", f"{home}/clean.detector/", folder, "-o", "s.parquet", cwd=tmp_path))
        select = ("select", table, "--threshold", "0.2", "-o", f"{home}/more.parquet")
        fine(run_cli(*select, cwd=tmp_path))
        fine(run_cli("report", f"{home}/more.parquet", "-o", f"{home}/r.html", cwd=tmp_path))
        page = store.files().cat_file("bucket/work/r.html").decode()
        assert "data:image/" in page
        (tmp_path / "review.csv").write_text("row,decision,label\n0,keep,\n")
        export = ("export", f"{home}/more.parquet", "--to")
        fine(run_cli(*export, "csv", "-o", f"{home}/kept.csv", cwd=tmp_path))
        fine(run_cli(*export, "imagefolder", "-o", f"{home}/kept", "--rows", "all", cwd=tmp_path))
        assert len([n for n in store.names("work/kept") if n.endswith(".png")]) == 60
        fine(run_cli(*export, "embeddings", "-o", f"{home}/e.parquet", cwd=tmp_path))
        sarif = ("--format", "sarif", "--output-file", f"{home}/x.sarif")
        fine(run_cli("check", table, *sarif, cwd=tmp_path))
        found = json.loads(store.files().cat_file("bucket/work/x.sarif"))
        assert "deftclean-run-" not in json.dumps(found)
        again = run_cli("check", table, *sarif, cwd=tmp_path)
        assert (again.returncode, "x.sarif exists already" in again.stderr) == (2, True)
        fine(run_cli("scan", table, "-o", "again.parquet", *FAST, cwd=tmp_path))

    def test_what_people_decide_and_what_is_trained_goes_there_too(
        self, store: Store, folder: Path, tmp_path: Path
    ) -> None:
        url, home = store.put_folder(folder, "second/images"), "s3://bucket/second"
        fine(run_cli("scan", url, "-o", f"{home}/c.parquet", *FAST, cwd=tmp_path))
        sha = table_of(fetched(store, "second/c.parquet", tmp_path / "c.parquet"))[0]
        names = ("row", "file_name", "content_sha256", "given_label")
        said = {name: sha[name][0].as_py() for name in names}
        said |= {"final_label": said["given_label"], "reviewer": "me", "reviewed_at": ""}
        with (tmp_path / "review.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, [*said, "decision"])
            writer.writeheader()
            writer.writerow({**said, "decision": "keep"})
        store.files().put_file(str(tmp_path / "review.csv"), "bucket/second/review.csv")
        review = ("review", f"{home}/c.parquet", f"{home}/review.csv", "-o", f"{home}/r.parquet")
        fine(run_cli(*review, cwd=tmp_path))
        corrupt = ("corrupt", url, "--noise", "symmetric", "--ratio", "0.2")
        fine(run_cli(*corrupt, "-o", f"{home}/noisy.csv", cwd=tmp_path))
        assert {"second/noisy.csv", "second/noisy.truth.csv"} <= set(store.names("second"))
        select = ("select", f"{home}/c.parquet", "--threshold", "0", "-o", f"{home}/all.parquet")
        fine(run_cli(*select, cwd=tmp_path))
        adapt = ("adapt", f"{home}/all.parquet", "--method", "linear", "--backbone", "nano")
        fine(run_cli(*adapt, "--epochs", "1", "-o", f"{home}/run", cwd=tmp_path))
        predict = ("predict", f"{home}/run", url, "-o", f"{home}/p.parquet")
        fine(run_cli(*predict, cwd=tmp_path))
        assert "second/p.parquet" in store.names("second")

    def test_nothing_secret_and_nothing_absolute_is_written(
        self, store: Store, folder: Path, tmp_path: Path
    ) -> None:
        url = store.put_folder(folder, "secret/images")
        done = fine(run_cli("scan", url, "-o", "c.parquet", *BRIEF, cwd=tmp_path))
        far = "s3://bucket/secret/c.parquet"
        more = fine(run_cli("scan", folder, "-o", far, *BRIEF, cwd=tmp_path))
        written = [path.read_bytes() for path in tmp_path.glob("c.*/*")]
        written += [(tmp_path / "c.parquet").read_bytes()]
        opened = store.files()
        names = [n for n in store.names("secret") if "/images/" not in n]
        assert len(names) >= 3
        written += [opened.cat_file(f"bucket/{name}") for name in names]
        written += [each.encode() for each in (done.stdout, done.stderr, more.stdout, more.stderr)]
        for data in written:
            for secret in (b"AKIATEST", b"secret/of/the/tests", b"deftclean-run-"):
                assert secret not in data
        tables = written[-len(names) - 5 : -4]
        assert not any(str(tmp_path).encode() in data for data in tables)
        assert table_of(tmp_path / "c.parquet")[1]["image_root"] == url
        local = fetched(store, "secret/c.parquet", tmp_path / "far.parquet")
        assert table_of(local)[1]["image_root"] == "data"

    def test_a_table_from_elsewhere_opens_no_url_by_itself(
        self, store: Store, folder: Path, tmp_path: Path
    ) -> None:
        url = store.put_folder(folder, "named/images")
        fine(run_cli("scan", url, "-o", "c.parquet", *FAST, cwd=tmp_path))
        store.requests.clear()
        for command in (
            ("report", "c.parquet", "-o", "r.html"),
            ("check", "c.parquet", "--verify"),
            ("export", "c.parquet", "--to", "folder", "-o", "kept"),
            ("scan", "c.parquet", "-o", "d.parquet", *FAST),
        ):
            done = run_cli(*command, cwd=tmp_path, COLUMNS="300")
            assert done.returncode in (2, 3), done.stderr
            assert f"{url}" in done.stderr
        assert store.requests == []
        fine(run_cli("report", "c.parquet", "--data", url, "-o", "r.html", cwd=tmp_path))
        select = ("select", "c.parquet", "--threshold", "0.2", "-o", "sub.parquet")
        fine(run_cli(*select, cwd=tmp_path))
        assert table_of(tmp_path / "sub.parquet")[1]["image_root"] == url

    def test_what_is_there_is_replaced_only_when_told(
        self, store: Store, folder: Path, tmp_path: Path
    ) -> None:
        opened = store.files()
        out = "s3://bucket/taken/c.parquet"
        opened.pipe_file("bucket/taken/c.detector/notes.txt", b"mine")
        done = run_cli("scan", folder, "-o", out, *BRIEF, cwd=tmp_path)
        assert done.returncode == 2
        assert "s3://bucket/taken/c.detector exists already" in done.stderr
        done = run_cli("scan", folder, "-o", out, *BRIEF, "--overwrite", cwd=tmp_path)
        assert (done.returncode, "is not a detector folder" in done.stderr) == (2, True)
        opened.rm("bucket/taken/c.detector/notes.txt")
        fine(run_cli("scan", folder, "-o", out, *BRIEF, cwd=tmp_path))
        opened.pipe_file("bucket/taken/c.detector/old.txt", b"of an older run")
        before = opened.cat_file("bucket/taken/c.parquet")
        again = ("scan", folder, "-o", out, *BRIEF, "--seed", "7", "--overwrite")
        fine(run_cli(*again, cwd=tmp_path))
        assert opened.cat_file("bucket/taken/c.parquet") != before
        assert "taken/c.detector/old.txt" not in store.names("taken")

    def test_another_process_was_first(
        self, store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        url = store.put_folder(folder, "race/images")

        def other(environ: dict[str, str]) -> None:
            if environ["REQUEST_METHOD"] == "GET" and environ["PATH_INFO"].endswith("59.png"):
                store.faults.clear()
                store.files().pipe_file("bucket/race/c.parquet", b"theirs")

        with pytest.raises(ValueError, match="remove"), store.failing(other):
            done = run_cli("scan", url, "-o", "s3://bucket/race/c.parquet", *FAST, cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        assert "s3://bucket/race/c.parquet is there already" in done.stderr
        assert store.files().cat_file("bucket/race/c.parquet") == b"theirs"
        assert [path.name for path in tmp_path.glob("deftclean-kept-*/*")] == ["c.parquet"]

    def test_what_cannot_be_uploaded_is_kept(
        self, store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        out = "s3://bucket/full/c.parquet"
        with store.failing(first_times(FOR_EVER, "503 Slow Down", "c.parquet", "PUT")):
            done = run_cli("scan", folder, "-o", out, *BRIEF, cwd=tmp_path, COLUMNS="400")
        assert done.returncode == 3, done.stderr
        assert f"{out} could not be written, in 4 tries" in done.stderr
        (kept,) = tmp_path.glob("deftclean-kept-*")
        assert str(kept / "c.parquet") in done.stderr
        fine(run_cli("check", kept / "c.parquet", cwd=tmp_path))
        assert (kept / "c.detector" / "detector.json").is_file()

    def test_a_model_from_a_url_is_kept_and_named_by_it(
        self, store: Store, folder: Path, tmp_path: Path
    ) -> None:
        url = store.put_folder(NANO, "models/nano-clip")
        fast = ("--model", url, *BRIEF[2:])
        done = fine(run_cli("scan", folder, "-o", "c.parquet", *fast, cwd=tmp_path))
        assert f"fetching {url}" in done.stderr
        fine(run_cli("scan", folder, "-o", "n.parquet", *BRIEF, cwd=tmp_path))
        there, here = table_of(tmp_path / "c.parquet"), table_of(tmp_path / "n.parquet")
        assert there[0].equals(here[0])
        assert (there[1]["model"], here[1]["model"]) == (url, "nano")
        again = fine(run_cli("scan", folder, "-o", "d.parquet", *fast, cwd=tmp_path))
        assert "fetching" not in again.stderr
        score = ("score", "c.detector", folder, "-o", "s.parquet")
        refused = run_cli(*score, cwd=tmp_path, COLUMNS="300")
        assert (refused.returncode, f"--model {url}" in refused.stderr) == (3, True)
        fine(run_cli(*score, "--model", url, cwd=tmp_path))


@pytest.mark.slow
def test_parts_are_written_to_a_url_and_read_there(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    """Two workers, one of whom the store refuses for a while: the rows of a folder here."""
    url = store.put_folder(folder, "parts/images")
    fine(run_cli("scan", folder, "-o", "one.parquet", *BRIEF, cwd=tmp_path))
    store.put_folder(tmp_path / "one.detector", "parts/one.detector")
    words = ("--unit-rows", "13", "--workers", "0")
    away = (
        "score",
        "s3://bucket/parts/one.detector",
        url,
        "-o",
        "s3://bucket/parts/scores",
        *words,
    )
    with store.failing(first_times(2, "503 Slow Down", "rows-")):
        fine(run_cli(*away, "--part", "2/2", cwd=tmp_path))
    early = run_cli("check", "s3://bucket/parts/scores", cwd=tmp_path)
    assert (early.returncode, "is not finished" in early.stderr) == (2, True)
    done = fine(run_cli(*away, "--part", "1/2", cwd=tmp_path))
    assert "s3://bucket/parts/scores" in done.stdout
    assert "deftclean-run-" not in done.stdout + done.stderr
    fine(
        run_cli(
            "score", "one.detector", folder, "-o", "here", *words, "--part", "1/1", cwd=tmp_path
        )
    )
    gate = ("--fail-on", "noise_rate>0.99", "--format", "json")
    said = fine(run_cli("check", "s3://bucket/parts/scores", *gate, cwd=tmp_path)).stdout
    here = fine(run_cli("check", "here", *gate, cwd=tmp_path)).stdout
    assert json.loads(said)["gates"] == json.loads(here)["gates"]
    for name in ("far", "here"):
        source = "s3://bucket/parts/scores" if name == "far" else "here"
        fine(run_cli("export", source, "--to", "csv", "-o", f"{name}.csv", cwd=tmp_path))
    assert (tmp_path / "far.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()
    other = run_cli(*away, "--part", "1/2", "--threshold", "0.9", cwd=tmp_path)
    assert (other.returncode, "holds the parts of another run" in other.stderr) == (2, True)
    with store.failing(
        lambda environ: "503 Slow Down" if "units/" in environ["PATH_INFO"] else None
    ):
        lost = run_cli(*away[:4], "s3://bucket/parts/new", *words, "--part", "1/1", cwd=tmp_path)
    assert lost.returncode == 3
    assert "_COMMIT.json" not in " ".join(store.names("parts/new"))
