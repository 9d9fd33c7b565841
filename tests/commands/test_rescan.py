"""`scan` and `score` on a table that people have reviewed, and the audit from report to check."""

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import deftclean
from benchmarks.reviews import reviewed as decided
from deftclean.table.audit import audited, draw
from deftclean.table.scores import read_scores, write_scores
from deftclean.table.ways import image_root, labels_file
from tests.support.commands import run_cli

SETTINGS = {"tuner": "none", "epochs": 1}
RUN = deftclean.RunOptions(model="nano", device="cpu", workers=0)
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """400 digits, a fifth with another label; a scan of them; what is true."""
    home = tmp_path_factory.mktemp("digits")
    random = np.random.default_rng(3)
    digits = load_digits()
    true = np.array(WORDS)[digits.target[:400]]
    given = true.copy()
    wrong = random.random(400) < 0.2
    given[wrong] = np.array(WORDS)[
        (digits.target[:400][wrong] + random.integers(1, 10, wrong.sum())) % 10
    ]
    lines = ["file_name,label"]
    for row, (pixels, label) in enumerate(zip(digits.images[:400], given, strict=True)):
        picture = Image.fromarray((pixels * 15.9).astype(np.uint8)).resize((40, 40))
        picture.save(home / f"{row:03d}.png")
        lines.append(f"{row:03d}.png,{label}")
    (home / "labels.csv").write_text("\n".join(lines) + "\n")
    deftclean.scan(home / "labels.csv", output=home / "clean.parquet", settings=SETTINGS, run=RUN)
    return home, true


def reviewed(
    home: Path, true: np.ndarray, places: np.ndarray, name: str, marks: list[str] | None = None
) -> Path:
    """The table after a person who knows the truth has looked at some rows."""
    scores = read_scores(home / "clean.parquet")
    made = decided(scores, true.astype(object), places, marks or [None] * len(places))
    path = home / name
    write_scores(
        made,
        path,
        image_root(scores.metadata, home / "clean.parquet"),
        True,
        labels_file(scores.metadata, home / "clean.parquet"),
    )
    return path


def test_what_people_decided_is_true_for_the_next_scan(noisy, tmp_path):
    home, true = noisy
    before = read_scores(home / "clean.parquet")
    given = np.array(before.table["given_label"].to_pylist())
    worst = np.argsort(before.table["clean_prob"].to_numpy(), kind="stable")[:60]
    table = reviewed(home, true, worst, "worst.parquet")
    result = deftclean.scan(table, output=tmp_path / "again.parquet", settings=SETTINGS, run=RUN)

    rows = result.scores.table
    clean, keep = rows["clean_prob"].to_numpy(), rows["keep"].to_numpy()
    right = given == true
    np.testing.assert_array_equal(clean[worst], right[worst].astype(np.float32))
    assert keep[worst].all()  # confirmed, or with their new label
    assert np.array(rows["suggested_label"].to_pylist())[worst].tolist() == true[worst].tolist()
    final = np.array(rows["final_label"].to_pylist())
    assert final[worst].tolist() == true[worst].tolist()
    others = np.setdiff1d(np.arange(400), worst)
    assert ((clean[others] > 0) & (clean[others] < 1)).all()
    assert rows["known_to_scan"].to_pylist() == [
        True if row in set(worst) else None for row in range(400)
    ]
    assert result.scores.metadata["reviewed"]["rows"] == 60
    assert rows.column_names.count("final_label") == 1

    # The share of wrong labels is nearer to the truth, and less uncertain.
    then, now = (s.metadata["evidence"]["estimated_noise"] for s in (before, result.scores))
    share = (~right).mean()
    assert abs(now["estimate"] - share) <= abs(then["estimate"] - share) + 0.01
    assert now["high"] - now["low"] < then["high"] - then["low"]

    same = deftclean.scan(table, output=tmp_path / "b.parquet", settings=SETTINGS, run=RUN)
    assert (tmp_path / "again.parquet").read_bytes() == same.output.read_bytes()


def test_new_data_with_a_review_keep_it(noisy, tmp_path):
    home, true = noisy
    places = np.arange(0, 400, 20)
    table = reviewed(home, true, places, "some.parquet")
    result = deftclean.score(home / "clean.detector", table, output=tmp_path / "s.parquet", run=RUN)
    rows = result.scores.table
    right = np.array(rows["given_label"].to_pylist()) == true
    np.testing.assert_array_equal(
        rows["clean_prob"].to_numpy()[places], right[places].astype(np.float32)
    )
    assert rows["keep"].to_numpy()[places].all()


def test_the_published_method_carries_decisions_on_but_does_not_learn_from_them(noisy, tmp_path):
    home, true = noisy
    places = np.arange(0, 400, 20)
    table = reviewed(home, true, places, "some.parquet")
    plain = deftclean.scan(
        home / "clean.parquet", output=tmp_path / "p.parquet", strategy="deft", settings=SETTINGS,
        run=RUN,
    )  # fmt: skip
    result = deftclean.scan(
        table, output=tmp_path / "d.parquet", strategy="deft", settings=SETTINGS, run=RUN
    )
    rows = result.scores.table
    assert rows["clean_prob"].equals(plain.scores.table["clean_prob"])
    assert rows["keep"].to_numpy()[places].all()
    assert set(rows["known_to_scan"].take(pa.array(places)).to_pylist()) == {False}


@pytest.mark.slow
def test_a_decision_about_a_picture_that_has_changed_is_left_out_with_a_warning(noisy, tmp_path):
    home, true = noisy
    table = reviewed(home, true, np.arange(10), "ten.parquet")
    other = tmp_path / "data"
    other.mkdir()
    for path in home.glob("*.png"):
        (other / path.name).write_bytes(path.read_bytes())
    Image.new("L", (40, 40), 77).save(other / "003.png")
    done = run_cli(
        "scan", other, table, "-o", "x.parquet", "--model", "nano", "--tuner", "none", "--epochs",
        1, "--workers", 0, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "1 decisions of the review in ten.parquet are left out" in " ".join(done.stderr.split())
    assert read_scores(tmp_path / "x.parquet").metadata["reviewed"]["rows"] == 9


def test_an_audit_from_the_page_to_the_gate(noisy, tmp_path):
    home, true = noisy
    done = run_cli("report", home / "clean.parquet", "--audit", 60, "-o", "a.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "60 of 60 rows drawn at random" in done.stdout
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])
    assert [row["suggested"] for row in data["rows"]] == [None] * 60
    assert {row["sample"].split()[0] for row in data["rows"]} == {"flagged", "kept"}
    for told in ("suggested_prob", "zero_shot_prob", 'class="suggested"', 'data-do="suggested"'):
        assert f"<dt>{told}" not in page
        assert f" {told}" not in page

    lines = [
        "row,file_name,content_sha256,given_label,decision,final_label,reviewer,reviewed_at,audit_sample"
    ]
    for row in data["rows"]:
        right = row["given_label"] == true[row["row"]]
        decided = ("keep", "") if right else ("relabel", true[row["row"]])
        names = ("row", "file_name", "content_sha256", "given_label")
        told = [str(row[name]) for name in names]
        lines.append(",".join([*told, *decided, "Ada", "", row["sample"]]))
    (tmp_path / "review.csv").write_text("\n".join(lines) + "\n")
    done = run_cli(
        "review", home / "clean.parquet", "review.csv", "-o", "audited.parquet", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "audited        60 of 60 rows drawn at random" in done.stdout

    found = audited(read_scores(tmp_path / "audited.parquet"))
    given = np.array(read_scores(home / "clean.parquet").table["given_label"].to_pylist())
    assert found is not None
    assert found.noise.low <= (given != true).mean() <= found.noise.high
    done = run_cli(
        "check", "audited.parquet", "--format", "json", "--fail-on", "audited_noise<1%",
        "--fail-on", "audited_precision<10%", "--fail-on", "estimated_noise>90%", "--fail-on",
        "estimated_noise[zero]>95%", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    said = json.loads(done.stdout)
    assert said["audit"]["noise"]["estimate"] == pytest.approx(found.noise.estimate)
    assert [gate["state"] for gate in said["gates"]] == ["passed"] * 4
    shown = run_cli("check", "audited.parquet", cwd=tmp_path).stdout
    assert re.search(r"wrong labels +\d+\.\d% \(95%: ", shown)

    # The next page shows the sample's other rows only.
    done = run_cli("report", "audited.parquet", "--audit", 80, "-o", "b.html", cwd=tmp_path)
    assert "20 of 80 rows drawn at random" in done.stdout, done.stderr
    # A line that claims to be drawn and is not is refused.
    other = next(r for r in range(400) if r not in {row["row"] for row in data["rows"]})
    forged = lines[1].split(",")
    scores = read_scores(home / "clean.parquet").table.slice(other, 1).to_pylist()[0]
    forged[:4] = str(other), scores["file_name"], scores["content_sha256"], scores["given_label"]
    (tmp_path / "forged.csv").write_text("\n".join([lines[0], ",".join(forged)]) + "\n")
    done = run_cli("review", home / "clean.parquet", "forged.csv", "-o", "f.parquet", cwd=tmp_path)
    assert done.returncode == 2
    assert "was not drawn in such a sample" in " ".join(done.stderr.split())


def test_gates_that_need_an_audit_cannot_be_computed_without_one(noisy, tmp_path):
    home, _ = noisy
    done = run_cli("check", home / "clean.parquet", "--fail-on", "audited_noise>5%", cwd=tmp_path)
    assert done.returncode == 3
    assert "no random sample was audited" in " ".join(done.stderr.split())
    done = run_cli(
        "check", home / "clean.parquet", "--fail-on", "audited_noise[zero]>5%", cwd=tmp_path
    )
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("more", "said"),
    [(("--audit", 1), "--audit"), (("--audit", 10, "--class", "one"), "Leave --class out")],
)
def test_audits_that_cannot_be(noisy, tmp_path, more, said):
    home, _ = noisy
    done = run_cli("report", home / "clean.parquet", *more, cwd=tmp_path)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())


def test_a_sample_is_the_tables_own(noisy):
    home, _ = noisy
    scores = read_scores(home / "clean.parquet")
    np.testing.assert_array_equal(draw(scores, 40).places, draw(scores, 40).places)
