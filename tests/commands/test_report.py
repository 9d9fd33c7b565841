"""`report` without a browser: what is in the file, how large it is, and which pictures."""

import base64
import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import deftclean
from deftclean.core.errors import InputError, RunError, UsageError
from deftclean.reports.choosing import suspicious_rows
from deftclean.reports.page import MOST_BYTES, shown
from deftclean.reports.thumbnails import SIDES, thumbnail
from deftclean.table.scores import ScoreTable, read_scores, write_scores
from tests.support.commands import run_cli
from tests.support.pictures import encode, noise, with_exif
from tests.support.processes import run_code
from tests.support.scored import Scored, make_suspects, score_table


@pytest.fixture
def scored(tmp_path: Path) -> Scored:
    return make_suspects(tmp_path / "scored")


def text_of(scored: Scored, **options: Any) -> str:
    path = scored.table.parent / "report.html"
    deftclean.report(scored.table, output=path, overwrite=True, **options)
    return path.read_text(encoding="utf-8")


def pictures_in(text: str) -> list[Image.Image]:
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    return [Image.open(io.BytesIO(base64.b64decode(one))) for one in found]


def test_through_the_command_line(scored: Scored, tmp_path: Path) -> None:
    done = run_cli("report", scored.table, "--images", 3, "-q", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "noise rate     66.7%  (as a sample: 39.1% to 86.2%)" in done.stdout
    assert "gallery        3 of 8 flagged rows to review" in done.stdout
    first = (tmp_path / "report.html").read_bytes()
    assert len(pictures_in(first.decode())) == 3
    done = run_cli("report", scored.table, cwd=tmp_path)
    assert done.returncode == 2
    assert "exists already" in done.stderr
    again = run_cli("report", scored.table, "--images", 3, "-o", "b.html", "-q", cwd=tmp_path)
    assert again.returncode == 0
    assert (tmp_path / "b.html").read_bytes() == first


def test_the_file_needs_nothing_else(scored: Scored) -> None:
    text = text_of(scored)
    assert str(scored.table.parent) not in text
    for found in re.findall(r'(?:src|href)="([^"]*)"', text):
        assert found.startswith(("data:image/jpeg;base64,", "#")), found
    assert "url(" not in text.replace('clip-path="url(#', "")
    assert not re.search(r' style="| on[a-z]+="', text)
    rules = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
    assert rules.startswith("default-src 'none'; img-src data:;")
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        inline = re.findall(rf"<{tag}>(.*?)</{tag}>", text, flags=re.DOTALL)
        assert len(inline) == 1
        digest = base64.b64encode(hashlib.sha256(inline[0].encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in rules.replace("&#39;", "'")


def test_data_for_the_script_cannot_end_its_element(tmp_path: Path) -> None:
    labels = ("</script><b>", "<!-- <script>", "a\u2028b\u2029&amp;")
    text = text_of(make_suspects(tmp_path / "x", labels))
    raw = re.search(r'<script type="application/json" id="data">(.*?)</script>', text).group(1)
    assert not re.search("[<>&\u2028\u2029]", raw)
    assert json.loads(raw)["labels"] == list(labels)


def test_the_most_suspicious_first_and_only_those_nobody_decided_about(scored: Scored) -> None:
    scores = deftclean.table.scores.read_scores(scored.table)
    assert suspicious_rows(scores, 3, []).table["row"].to_pylist() == [4, 5, 6]
    assert suspicious_rows(scores, 99, ["apple"]).table["row"].to_pylist() == [6, 9]
    with pytest.raises(UsageError, match=r"--class: no row has the label 'aple'"):
        suspicious_rows(scores, 3, ["apple", "aple"])
    assert suspicious_rows(scores, 0, []).table["row"].to_pylist() == []


def test_pictures_that_cannot_be_shown_say_why(scored: Scored, tmp_path: Path) -> None:
    (scored.images / "4.png").unlink()
    (scored.images / "5.png").write_bytes(b"other")
    secret = tmp_path / "secret.png"
    secret.write_bytes((scored.images / "6.png").read_bytes())
    (scored.images / "6.png").unlink()
    (scored.images / "6.png").symlink_to(secret)
    result = deftclean.report(scored.table, output=tmp_path / "r.html")
    assert result.problems == {"changed": 1, "missing": 1, "outside": 1}
    assert result.images == 8
    text = (tmp_path / "r.html").read_text()
    assert len(pictures_in(text)) == 5
    for reason in ("missing: no such file", "changed: the file is not the one", "outside: leads"):
        assert reason in text
    result = deftclean.report(scored.table, output=tmp_path / "s.html", allow_outside=True)
    assert "outside" not in result.problems


def test_without_the_folder_only_figures(scored: Scored, tmp_path: Path) -> None:
    moved = scored.images.rename(tmp_path / "moved")
    with pytest.raises(InputError, match="does not exist") as caught:
        deftclean.report(scored.table, output=tmp_path / "r.html")
    assert "--data FOLDER" in caught.value.hint
    assert not (tmp_path / "r.html").exists()
    assert deftclean.report(scored.table, output=tmp_path / "r.html", images=0).images == 0
    result = deftclean.report(scored.table, output=tmp_path / "s.html", data=moved)
    assert result.problems == {}


def test_images_that_lie_in_a_table(tmp_path: Path) -> None:
    """Only the row groups that are needed are read, and the right rows of them."""
    encoded = [encode(noise(8, 8, seed)) for seed in range(600)]
    encoded[7] = None
    images = [{"bytes": data, "path": None} for data in encoded]
    pq.write_table(pa.table({"image": images}), tmp_path / "train.parquet", row_group_size=290)
    rows = [
        {
            "file_name": f"train.parquet#{index}",
            "given_label": "apple",
            "clean_prob": 0.1 if index in (3, 7, 288, 289, 290, 599) else 0.9,
            "keep": index not in (3, 7, 288, 289, 290, 599),
            "content_sha256": hashlib.sha256(data or b"").hexdigest(),
        }
        for index, data in enumerate(encoded)
    ]
    write_scores(score_table(rows), tmp_path / "x.parquet", tmp_path, overwrite=False)
    with pytest.raises(InputError, match="lay in the table that was scanned"):
        deftclean.report(tmp_path / "x.parquet", output=tmp_path / "r.html")
    data = tmp_path / "train.parquet"
    result = deftclean.report(tmp_path / "x.parquet", output=tmp_path / "r.html", data=data)
    assert result.problems == {"missing": 1}
    assert result.images == 6


@pytest.mark.parametrize(
    ("strategy", "meaning"),
    [
        ("evidence", "the probability that the given label is right"),
        ("deft", "DEFT&#39;s two prompts"),
        (None, "DEFT&#39;s two prompts"),
        ("knn", "the score of strategy knn: it ranks rows, and is no probability"),
        ("<b>", "the score of strategy &lt;b&gt;: it"),
    ],
)
def test_the_page_says_what_clean_prob_is(
    scored: Scored, tmp_path: Path, strategy: str | None, meaning: str
) -> None:
    scores = read_scores(scored.table)
    facts = {**scores.metadata, "strategy": strategy}
    write_scores(ScoreTable(scores.table, facts), tmp_path / "x.parquet", scored.images, False)
    deftclean.report(tmp_path / "x.parquet", output=tmp_path / "r.html", images=0)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert meaning in page
    assert page.count("probability that") == (strategy == "evidence")


@pytest.mark.parametrize("images", [-1, 2001])
def test_more_pictures_than_a_page_takes(scored: Scored, tmp_path: Path, images: int) -> None:
    with pytest.raises(UsageError, match="between 0 and 2,000"):
        deftclean.report(scored.table, output=tmp_path / "r.html", images=images)


def test_kept_rows_in_the_gallery_are_counted_as_such(scored: Scored, tmp_path: Path) -> None:
    scores = read_scores(scored.table)
    kept = scores.table["keep"].to_pylist()
    kinds = ["bad_picture" if keep else None for keep in kept]
    at = scores.table.column_names.index("kind")
    table = scores.table.set_column(at, "kind", pa.array(kinds, pa.string()))
    odd = sum(kept)
    assert odd
    odder = ScoreTable(table, scores.metadata)
    write_scores(odder, scored.table, scored.images, overwrite=True)
    done = run_cli("report", scored.table, "-o", "all.html", cwd=tmp_path)
    assert "gallery        8 of 8 flagged rows to review\n" in done.stdout
    assert f"               {odd} kept rows beside them\n" in done.stdout


def test_thumbnails_fit_and_are_the_largest_that_do() -> None:
    data = encode(noise(900, 600))
    large, small = thumbnail(data, 10**6), thumbnail(data, 6000)
    assert (large.width, large.height) == (256, 171)
    assert large.width > small.width
    assert len(small.data) <= 6000 < len(thumbnail(data, len(small.data) + 6000).data)
    assert thumbnail(data, 1).width == SIDES[-1]
    assert thumbnail(encode(noise(20, 10)), 10**6).width == 20
    assert thumbnail(with_exif(noise(40, 20), 6), 10**6).height == 40
    assert thumbnail(encode(noise(2, 300)), 10**6).width == 2


@pytest.mark.slow
@pytest.mark.parametrize("count", [400, 2000])
def test_many_pictures_of_noise_stay_under_the_limit(tmp_path: Path, count: int) -> None:
    """Of 400 in full quality each would take more than its share too."""
    images = tmp_path / "images"
    images.mkdir()
    data = encode(noise(300, 300), "JPEG")
    (images / "x.jpg").write_bytes(data)
    row = {
        "file_name": "x.jpg", "given_label": "apple", "predicted_label": "leaf", "clean_prob": 0.1,
        "predicted_prob": 0.9, "content_sha256": hashlib.sha256(data).hexdigest(),
    }  # fmt: skip
    table = tmp_path / "x.parquet"
    write_scores(score_table([row] * count), table, images, overwrite=False)
    result = deftclean.report(table, output=tmp_path / "r.html", images=count)
    assert result.images == count
    assert result.size == (tmp_path / "r.html").stat().st_size < MOST_BYTES


@pytest.mark.slow
def test_a_thousand_classes_are_fine_and_endless_names_are_refused(tmp_path: Path) -> None:
    names = tuple(f"class {k}" for k in range(1000))
    rng = np.random.default_rng(0)
    rows = [
        {
            "given_label": names[a], "predicted_label": names[b], "clean_prob": 0.1,
            "predicted_prob": 0.5, "content_sha256": "aa",
        }
        for a, b in rng.integers(0, 1000, (3000, 2)).tolist()
    ]  # fmt: skip
    table = tmp_path / "x.parquet"
    write_scores(score_table(rows, names), table, tmp_path, overwrite=False)
    result = deftclean.report(table, output=tmp_path / "r.html", images=50)
    assert result.size < 1_000_000
    assert len(result.overview.classes) == 30
    endless = score_table(rows[:1], ("x" * 16_000_000,))
    write_scores(endless, table, tmp_path, overwrite=True)
    with pytest.raises(RunError, match="the limit is 15,000,000"):
        deftclean.report(table, output=tmp_path / "s.html", images=1)
    assert not (tmp_path / "s.html").exists()


def test_a_table_without_a_scored_row(tmp_path: Path) -> None:
    rows = [{"status": "missing", "error": "no such file"}]
    table = tmp_path / "x.parquet"
    write_scores(score_table(rows), table, tmp_path, overwrite=False)
    text = text_of(Scored(tmp_path, table, []))
    assert "1 missing" in text
    assert "No flagged row waits for a review" in text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cat", "cat"), ("猫 Ω é", "猫 Ω é"), ("a\nb\u202e", "a\\nb\\u202e"), (None, "none"),
        (" ", "(blank)"), ("x" * 200, "x" * 159 + "…"), ("\U0001f469\u200d\U0001f33e",) * 2,
    ],
)  # fmt: skip
def test_names_as_they_are_shown(name: str | None, expected: str) -> None:
    assert shown(name) == expected


def test_no_torch_is_loaded(scored: Scored, tmp_path: Path) -> None:
    code = """
import sys, deftclean
deftclean.report(sys.argv[1], output=sys.argv[2])
print([name for name in ("torch", "open_clip", "torchvision") if name in sys.modules])
"""
    done = run_code(code, scored.table, tmp_path / "r.html")
    assert done.stdout.strip() == "[]"


def test_kept_rows_are_drawn_by_the_seed_and_not_with_an_audit(
    scored: Scored, tmp_path: Path
) -> None:
    for name in ("a.html", "b.html"):
        done = run_cli("report", scored.table, "--kept", 2, "-o", name, "-q", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert (tmp_path / "b.html").read_text(encoding="utf-8") == text
    assert len(re.findall(r'data-why="kept"', text)) == 2
    assert len(pictures_in(text)) == 10
    more = ("--kept", 2, "--audit", 4, "-o", "c.html")
    done = run_cli("report", scored.table, *more, cwd=tmp_path)
    assert done.returncode == 2
    assert "--kept and --audit exclude each other" in done.stderr
