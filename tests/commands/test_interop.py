"""Exports read back by the libraries they are for.

They are not among the packages that the tests need: `pip install -e '.[interop]'`. FiftyOne is
not even there: it needs a MongoDB, which no package index holds. Where it is installed, its reader
is tried without one, sample by sample.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

import deftclean
from deftclean.table.scores import read_scores, write_scores
from tests.support.scored import Scored, make_scored

ANY_WARNING = pytest.mark.filterwarnings("ignore")  # other people's libraries


@pytest.fixture
def scored(tmp_path: Path) -> Scored:
    return make_scored(tmp_path)


@ANY_WARNING
@pytest.mark.parametrize("name", ["issues.csv", "issues.parquet"])
def test_cleanlab_trains_without_the_rows_that_are_issues(name, scored, tmp_path):
    classification = pytest.importorskip("cleanlab.classification", reason="needs cleanlab")
    from sklearn.neighbors import KNeighborsClassifier

    deftclean.export(scored.table, to="cleanlab", output=tmp_path / name)
    text = dict.fromkeys(["given_label", "predicted_label"], str)
    issues = (
        pd.read_csv(tmp_path / name, dtype=text, keep_default_na=False, na_values=[""])
        if name.endswith("csv")
        else pd.read_parquet(tmp_path / name)
    )
    names = sorted(set(issues["given_label"]))
    for column in ("given_label", "predicted_label"):  # CleanLearning counts its classes
        issues[column] = issues[column].map(names.index)
    colours = np.array(
        [np.asarray(Image.open(scored.images / f)).mean((0, 1)) for f in issues["file_name"]]
    )
    learning = classification.CleanLearning(KNeighborsClassifier(1), verbose=False)
    learning.fit(colours, issues["given_label"].to_numpy(), label_issues=issues)
    # It believed `is_label_issue`: the flagged rows' wrong labels were not learned.
    predicted = [names[place] for place in learning.predict(colours)]
    assert predicted == scored.true
    assert learning.get_label_issues()["is_label_issue"].sum() == 8


@ANY_WARNING
def test_hugging_face_reads_the_image_folder(scored, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="needs datasets")
    deftclean.export(scored.table, to="imagefolder", output=tmp_path / "hub")
    found = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path / "hub"), cache_dir=str(tmp_path / "cache")
    )
    assert list(found) == ["train"]
    table = read_scores(scored.table).table
    kept = table.filter(table["keep"])
    assert found["train"]["label"][:] == kept["given_label"].to_pylist()
    assert found["train"]["source"][:] == kept["file_name"].to_pylist()
    for row, name in zip(found["train"], kept["file_name"].to_pylist(), strict=True):
        with Image.open(scored.images / name) as original:
            assert np.array_equal(np.asarray(row["image"]), np.asarray(original))


@ANY_WARNING
def test_a_hugging_face_data_set_is_scanned_as_it_is(scored, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="needs datasets")
    rows = read_scores(scored.table).table
    names = sorted(set(scored.true))
    made = datasets.Dataset.from_dict(
        {
            "image": [str(scored.images / name) for name in rows["file_name"].to_pylist()],
            "label": [names.index(name) for name in rows["given_label"].to_pylist()],
        },
        features=datasets.Features(
            {"image": datasets.Image(), "label": datasets.ClassLabel(names=names)}
        ),
    )
    run = deftclean.RunOptions(model="nano", workers=0)
    found = deftclean.find_label_issues(made, strategy="label-match", run=run)
    assert found["given_label"].tolist() == rows["given_label"].to_pylist()
    pairs = zip(rows["file_name"].to_pylist(), rows["given_label"].to_pylist(), strict=True)
    files = [(str(scored.images / name), label) for name, label in pairs]
    expected = deftclean.find_label_issues(files, strategy="label-match", run=run)
    np.testing.assert_array_equal(found["label_score"], expected["label_score"])


@ANY_WARNING
def test_hugging_face_reads_names_that_look_like_something_else(scored, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="needs datasets")
    scores = read_scores(scored.table)
    labels = ["NA", "None", "007", "1e5", "true", "nan"] * 8
    at = scores.table.column_names.index("given_label")
    table = scores.table.set_column(at, "given_label", pa.array(labels))
    write_scores(type(scores)(table, scores.metadata), scored.table, scored.images, overwrite=True)
    deftclean.export(scored.table, to="imagefolder", output=tmp_path / "hub", rows="all")
    found = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path / "hub"), cache_dir=str(tmp_path / "cache")
    )["train"]
    assert found["label"][:] == labels


@ANY_WARNING
def test_hugging_face_reads_the_class_folders(scored, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="needs datasets")
    deftclean.export(scored.table, to="folder", output=tmp_path / "out")
    found = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "cache")
    )["train"]
    assert found.features["label"].names == ["apple", "leaf", "ocean"]
    assert len(found) == 40


def test_torchvision_reads_the_class_folders(scored, tmp_path):
    from torchvision.datasets import ImageFolder

    deftclean.export(scored.table, to="folder", output=tmp_path / "out")
    found = ImageFolder(str(tmp_path / "out"))
    assert found.classes == ["apple", "leaf", "ocean"]
    assert len(found) == 40


@ANY_WARNING
def test_label_studio_accepts_interface_tasks_and_predictions(scored, tmp_path):
    interface = pytest.importorskip(
        "label_studio_sdk.label_interface", reason="needs label-studio-sdk"
    )
    deftclean.export(scored.table, to="label-studio", output=tmp_path / "ls", rows="all")
    read = interface.LabelInterface((tmp_path / "ls" / "labeling.xml").read_text())
    read.validate()
    assert sorted(read.get_control("label").labels) == ["apple", "leaf", "ocean"]
    tasks = json.loads((tmp_path / "ls" / "tasks.json").read_text())
    assert len(tasks) == 48
    for task in tasks:
        assert read.validate_task({"data": task["data"]})  # it cannot take both at once
        (prediction,) = task["predictions"]
        assert read.validate_prediction(prediction)
    tasks[0]["predictions"][0]["result"][0]["value"]["choices"] = ["no such class"]
    assert not read.validate_prediction(tasks[0]["predictions"][0])


@ANY_WARNING
def test_fiftyone_reads_the_samples(scored, tmp_path, monkeypatch):
    monkeypatch.setenv("FIFTYONE_DISABLE_SERVICES", "1")
    monkeypatch.setenv("FIFTYONE_DO_NOT_TRACK", "1")
    importers = pytest.importorskip("fiftyone.utils.data.importers", reason="needs fiftyone")
    deftclean.export(scored.table, to="fiftyone", output=tmp_path / "fo")
    importer = importers.FiftyOneDatasetImporter(str(tmp_path / "fo"))
    assert importer._is_legacy_format_data()
    with importer._to_legacy_importer() as reader:
        samples = list(reader)
        assert reader.get_dataset_info()["classes"] == ["apple", "leaf", "ocean"]
    assert len(samples) == 48
    assert (scored.images / "000.png").samefile(samples[0].filepath)
    assert samples[5].mistakenness == 0.9
    assert (samples[5].ground_truth.label, samples[5].predictions.label) == ("apple", "ocean")
    assert samples[5].predictions.confidence == 0.8
    assert samples[5].tags == ["flagged"]


@ANY_WARNING
@pytest.mark.parametrize("form", ["JSON_MIN", "CSV"])
def test_what_label_studio_converts_comes_back_through_review(form, scored, tmp_path):
    """Answered tasks, written in other forms by Label Studio's own converter."""
    converter = pytest.importorskip("label_studio_sdk.converter", reason="needs label-studio-sdk")
    deftclean.export(scored.table, to="label-studio", output=tmp_path / "ls")
    tasks = json.loads((tmp_path / "ls" / "tasks.json").read_text())
    wishes = [{"label": "ocean"}, {"label": "apple"}, {"drop": "Leave this picture out"}]
    for at, (task, wish) in enumerate(zip(tasks, wishes, strict=False)):
        results = [
            {"from_name": name, "to_name": "image", "type": "choices", "value": {"choices": [text]}}
            for name, text in wish.items()
        ]
        task |= {"id": at, "annotations": [{"id": at, "completed_by": 3, "result": results}]}
    (tmp_path / "answered.json").write_text(json.dumps(tasks[:3]))
    made = converter.Converter((tmp_path / "ls" / "labeling.xml").read_text(), str(tmp_path))
    made.convert(str(tmp_path / "answered.json"), str(tmp_path / "out"), form, is_dir=False)
    (path,) = (tmp_path / "out").iterdir()
    deftclean.review(scored.table, path, output=tmp_path / "r.parquet")
    rows = read_scores(tmp_path / "r.parquet").table.to_pylist()
    expected = {
        task["data"]["row"]: "drop" if "drop" in wish
        else "keep" if wish["label"] == task["data"]["given_label"] else "relabel"
        for task, wish in zip(tasks, wishes, strict=False)
    }  # fmt: skip
    decided = {row["row"]: row["review_decision"] for row in rows if row["review_decision"]}
    assert decided == expected
