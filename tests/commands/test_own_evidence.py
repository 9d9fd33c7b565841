"""Own embeddings, probabilities, features and texts, through the real command line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import deftclean
from tests.support.commands import Finished, run_cli
from tests.support.pictures import COLOURS

FAST = ("--device", "cpu", "--workers", 0, "--no-cache", "-q")
NAMES = sorted(COLOURS)
TRAINING = ("--model", "nano", "--tuner", "none", "--epochs", 4, "--warmup", 2)


@pytest.fixture(scope="module")
def own(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Embeddings and probabilities that know the true colour of each of the 60 pictures."""
    home = tmp_path_factory.mktemp("own")
    files = sorted(pictures.rglob("*.png"), key=lambda path: path.relative_to(pictures).as_posix())
    true = np.array([int(path.stem) % 3 for path in files])
    random = np.random.default_rng(0)
    order = [NAMES.index(name) for name in COLOURS]
    classes = np.array(order)[true]
    np.save(home / "e.npy", np.eye(3)[classes] + 0.1 * random.normal(size=(60, 3)))
    sure = 0.8 * np.eye(3)[classes] + 0.2 / 3
    named = pd.DataFrame(sure, columns=NAMES)
    named["file_name"] = [path.relative_to(pictures).as_posix() for path in files]
    named.sample(frac=1, random_state=1).to_csv(home / "p.csv", index=False)
    named.drop(columns="file_name").to_csv(home / "rows.csv", index=False)
    return home


def scan(pictures: Path, output: Path, *options: object) -> Finished:
    return run_cli("scan", pictures, "-o", output, *options, *FAST, cwd=output.parent)


def wrong(table: Path) -> set[int]:
    """Numbers of the flagged pictures."""
    found = pq.read_table(table)
    names, keep = found["file_name"].to_pylist(), found["keep"].to_pylist()
    return {int(Path(name).stem) for name, kept in zip(names, keep, strict=True) if not kept}


def worst(table: Path, count: int) -> set[int]:
    """Numbers of the pictures with the lowest clean probability."""
    rows = sorted(pq.read_table(table).to_pylist(), key=lambda row: row["clean_prob"])
    return {int(Path(row["file_name"]).stem) for row in rows[:count]}


TRULY = set(range(0, 60, 10))


@pytest.mark.parametrize(
    ("brought", "columns"),
    [
        (["--embeddings", "e.npy"], {"head_prob", "neighbours_prob"}),
        (["--pred-probs", "p.csv"], {"own_prob"}),
        pytest.param(
            ["--pred-probs", "rows.csv", "--embeddings", "e.npy"],
            {"own_prob", "head_prob", "neighbours_prob"},
            marks=pytest.mark.slow,
        ),
    ],
)  # fmt: skip
def test_without_a_model_own_numbers_find_what_is_wrong(
    pictures: Path, own: Path, tmp_path: Path, brought: list[str], columns: set[str]
) -> None:
    options = [own / text if "." in text else text for text in brought]
    output = tmp_path / "c.parquet"
    done = scan(pictures, output, "--model", "none", *options)
    assert done.returncode == 0, done.stderr
    assert wrong(output) == TRULY
    assert not (tmp_path / "c.detector").exists()
    assert "detector" not in done.stdout.replace("no detector", "")
    table = pq.read_table(output)
    spoken = [name for name in table.column_names if name.endswith("_prob")]
    heard = {name for name in spoken if table[name].null_count == 0}
    assert heard == columns | {"clean_prob", "predicted_prob", "suggested_prob"}
    facts = json.loads(table.schema.metadata[b"deftclean"])
    assert (facts["model"], facts["zero_shot_agreement"]) == ("none", None)
    assert ("near_duplicate_group" in table.column_names) is True
    for command in (
        ("check", output),
        ("report", output),
        ("select", output, "-o", tmp_path / "s.parquet"),
    ):
        assert run_cli(*command, cwd=tmp_path).returncode == 0
    again = tmp_path / "again.parquet"
    assert scan(pictures, again, "--model", "none", *options).returncode == 0
    assert pq.read_table(again).equals(table)


def test_beside_a_model_own_numbers_are_heard_and_score_needs_them(
    pictures: Path, own: Path, tmp_path: Path
) -> None:
    output = tmp_path / "c.parquet"
    brought = ("--embeddings", own / "e.npy", "--pred-probs", own / "p.csv")
    done = scan(pictures, output, *TRAINING, *brought)
    assert done.returncode == 0, done.stderr
    assert wrong(output) == TRULY
    detector = tmp_path / "c.detector"
    card = json.loads((detector / "detector.json").read_text())
    assert card["evidence"]["features"] == {"from": "--embeddings", "size": 3}
    again = ("score", detector, pictures, "-o", tmp_path / "s.parquet", *FAST)
    refused = run_cli(*again, cwd=tmp_path)
    assert refused.returncode == 2
    assert "was made with --embeddings" in refused.stderr
    needed = [*brought[:2], *(brought[2:] if "own" in card["evidence"]["witnesses"] else ())]
    scored = run_cli(*again, *needed, cwd=tmp_path)
    assert scored.returncode == 0, scored.stderr
    # Rows that the head has learned from are doubted less; the worst are the same.
    assert wrong(tmp_path / "s.parquet") <= TRULY
    assert worst(tmp_path / "s.parquet", len(TRULY)) == TRULY
    np.save(tmp_path / "wide.npy", np.ones((60, 4)))
    other = run_cli(*again, "--overwrite", *needed[2:], "--embeddings", "wide.npy", cwd=tmp_path)
    assert other.returncode == 2
    assert "has 4 numbers a row; those of the scan had 3" in other.stderr


def test_features_of_a_backbone_and_texts_go_into_the_detector(
    pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "d.json").write_text(json.dumps({name: [f"all {name}", name] for name in NAMES}))
    output = tmp_path / "c.parquet"
    options = ("--features", "nano", "--template", "the colour {}", "--descriptions", "d.json")
    done = scan(pictures, output, *TRAINING, *options, "--prompt-texts")
    assert done.returncode == 0, done.stderr
    assert wrong(output) == TRULY
    evidence = json.loads((tmp_path / "c.detector" / "detector.json").read_text())["evidence"]
    assert evidence["features"]["model"] == "nano"
    assert evidence["prompt_texts"] is True
    assert evidence["texts"][0] == [f"the colour {NAMES[0]}", f"all {NAMES[0]}", NAMES[0]]
    again = ("score", tmp_path / "c.detector", pictures, "-o", tmp_path / "s.parquet", *FAST)
    assert run_cli(*again, cwd=tmp_path).returncode == 2
    scored = run_cli(*again, "--features", "nano", cwd=tmp_path)
    assert scored.returncode == 0, scored.stderr
    first, second = (pq.read_table(tmp_path / name) for name in ("c.parquet", "s.parquet"))
    assert first["zero_shot_prob"].equals(second["zero_shot_prob"])
    (tmp_path / "c.detector" / "detector.json").write_text(
        (tmp_path / "c.detector" / "detector.json").read_text().replace('"--features"', "7")
    )
    card = json.loads((tmp_path / "c.detector" / "detector.json").read_text())
    card["evidence"]["texts"] = [["a"]]
    (tmp_path / "c.detector" / "detector.json").write_text(json.dumps(card))
    damaged = run_cli(*again, "--overwrite", cwd=tmp_path)
    assert damaged.returncode == 2
    assert "damaged" in damaged.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--model", "none"], "without a model there is nothing to judge by"),
        (["--model", "none", "--embeddings", "e.npy", "--epochs", 3, "--resume"],
         "--epochs, --resume: nothing is loaded or trained"),
        (["--model", "none", "--pred-probs", "p.csv", "--template", "a {}"],
         "--template: nothing is loaded"),
        (["--recipe", "deft", "--embeddings", "e.npy"], "for --recipe evidence alone"),
        (["--embeddings", "e.npy", "--features", "nano"], "exclude each other"),
        (["--features-weights", "e.npy"], "goes with --features NAME"),
        (["--prompt-texts"], "there are no texts for prompts"),
        (["--prompt-texts", "--template", "a {}", "--class-specific"], "exclude each other"),
        (["--model", "none", "--pred-probs", "p.csv", "--template", "a {}", "--prompt-texts"],
         "--template, --prompt-texts: nothing is loaded"),
        (["--model", "none", "--features", "resnet1"], "There is no backbone 'resnet1'"),
        (["--model", "none", "--features", "resnet18", "--offline"],
         "--features-weights with a file or folder"),
        (["--embeddings", "nix.npy"], "does not exist"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(
    pictures: Path, own: Path, tmp_path: Path, empty_hub: None, options: list[object], said: str
) -> None:
    for name in ("e.npy", "p.csv"):
        (tmp_path / name).write_bytes((own / name).read_bytes())
    done = scan(pictures, tmp_path / "c.parquet", *options)
    assert done.returncode == (3 if "--offline" in options else 2)
    assert said in " ".join(done.stderr.split())
    assert not (tmp_path / "c.parquet").exists()


def test_an_output_never_replaces_what_was_brought(
    pictures: Path, own: Path, tmp_path: Path
) -> None:
    frame = pd.read_csv(own / "p.csv")
    frame.to_parquet(tmp_path / "p.parquet")
    before = (tmp_path / "p.parquet").read_bytes()
    done = scan(
        pictures, tmp_path / "p.parquet", "--model", "none", "--overwrite",
        "--pred-probs", tmp_path / "p.parquet",
    )  # fmt: skip
    assert done.returncode == 2
    assert (tmp_path / "p.parquet").read_bytes() == before


def test_python_takes_arrays(pictures: Path, own: Path) -> None:
    files = sorted(pictures.rglob("*.png"), key=lambda path: path.relative_to(pictures).as_posix())
    pairs = [(str(path), path.parent.name) for path in files]
    run = deftclean.RunOptions(model="none", device="cpu", workers=0, cache=False)
    probabilities = pd.read_csv(own / "rows.csv").to_numpy()
    found = deftclean.find_label_issues(
        pairs, embeddings=np.load(own / "e.npy"), pred_probs=probabilities, run=run
    )
    flagged = {int(files[at].stem) for at in np.flatnonzero(found["is_label_issue"])}
    assert flagged == TRULY
    with pytest.raises(deftclean.DeftcleanError, match="embeddings holds <U1, not numbers"):
        deftclean.find_label_issues(pairs, embeddings=np.array([["a"]]), run=run)


@pytest.mark.slow
def test_embeddings_go_out_and_come_in_again(pictures: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(pictures, data)
    table = tmp_path / "c.parquet"
    assert scan(data, table, *TRAINING).returncode == 0
    changed, gone = sorted(data.rglob("*.png"))[:2]
    changed.write_bytes(sorted(data.rglob("*.png"))[5].read_bytes())
    gone.unlink()
    out = ("export", table, "--to", "embeddings", "-o", "e.parquet")
    done = run_cli(*out, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    written = pq.read_table(tmp_path / "e.parquet")
    assert written.column_names == ["file_name", "embedding"]
    names = set(written["file_name"].to_pylist())
    lost = {path.relative_to(data).as_posix() for path in (changed, gone)}
    assert names == set(pq.read_table(table)["file_name"].to_pylist()) - lost
    lengths = np.linalg.norm(np.stack(written["embedding"].to_numpy()), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-5)
    changed.unlink()
    own = scan(data, tmp_path / "o.parquet", "--model", "none", "--embeddings", "e.parquet")
    assert own.returncode == 0, own.stderr
    assert wrong(tmp_path / "o.parquet") <= TRULY
    for options, said in (
        (["--rows", "all", "--link", "hard"], "--rows, --link: of other formats"),
        ([], "exists already"),
        (["-o", "e.npy"], "end in .parquet"),
    ):
        refused = run_cli(*out, *options, cwd=tmp_path)
        assert refused.returncode == 2
        assert said in refused.stderr
    modelless = run_cli(
        "export", "o.parquet", "--to", "embeddings", "-o", "x.parquet", cwd=tmp_path
    )
    assert modelless.returncode == 2
    assert "judged without a model" in modelless.stderr
