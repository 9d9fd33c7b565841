"""What `doctor` finds, here and where something is broken."""

import json
from pathlib import Path

import pytest

from deftclean import __version__
from deftclean.cli.diagnosis import Diagnosis, Probe, diagnose
from deftclean.core.run import RunOptions
from deftclean.images.cache import used_bytes
from tests.support.commands import run_cli


def found(diagnosis: Diagnosis, group: str, name: str) -> Probe:
    (finding,) = [f for f in diagnosis.findings if (f.group, f.name) == (group, name)]
    return finding


def test_a_working_machine(tmp_path):
    done = run_cli("doctor", "--model", "nano", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["schema_version"], said["ok"]) == (1, True)
    values = {each["name"]: each["value"] for each in said["findings"]}
    assert values["deftclean"] == __version__
    assert values["nano"].startswith("built in")
    assert {"python", "torch", "open_clip_torch", "timm", "pillow", "pyarrow"} <= set(values)
    assert {"--device auto", "memory", "CPU cores", "temporary folder"} <= set(values)
    assert not list(tmp_path.iterdir())


def test_the_text_says_the_same(tmp_path, empty_hub):
    done = run_cli("doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "! ViT-B-16" in done.stdout
    assert "not on this machine (openai); the first scan would fetch it" in done.stdout
    assert "A scan can work here." in done.stdout
    assert not list(tmp_path.iterdir())


def test_what_a_scan_would_refuse_is_broken(tmp_path):
    done = run_cli("doctor", "--device", "cuda:7", "--model", "ViT-B-61", cwd=tmp_path)
    assert done.returncode == 3
    assert "no such device" in done.stdout
    assert "Did you mean" in done.stdout
    assert "2 broken" in done.stdout


def test_a_temporary_folder_that_is_none(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    diagnosis = diagnose(RunOptions(), "nano")
    assert found(diagnosis, "disk", "temporary folder").state == "broken"
    assert not diagnosis.ok


@pytest.mark.parametrize(("asked", "state"), [(True, "broken"), (False, "note")])
def test_a_cache_that_cannot_be_used(asked, state, monkeypatch, tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    monkeypatch.setenv("DEFTCLEAN_CACHE_DIR", str(file / "cache"))
    run = RunOptions(cache_dir=file / "cache") if asked else RunOptions()
    assert found(diagnose(run, "nano"), "cache", "folder").state == state


def test_a_package_that_is_missing_or_does_not_load(monkeypatch):
    monkeypatch.setattr("deftclean.cli.diagnosis._PACKAGES", ("numpy", "no-such-package"))
    missing = found(diagnose(RunOptions(), "nano"), "versions", "no-such-package")
    assert (missing.state, missing.value) == ("broken", "not installed")

    def fail(name: str) -> None:
        raise OSError(f"{name}: undefined symbol")

    monkeypatch.setattr("deftclean.cli.diagnosis._PACKAGES", ("numpy",))
    monkeypatch.setattr("importlib.import_module", fail)
    diagnosis = diagnose(RunOptions(), "nano")
    assert found(diagnosis, "versions", "import torch").value == "torch: undefined symbol"
    assert not any(finding.group == "device" for finding in diagnosis.findings)


def test_the_size_of_the_cache_is_that_of_its_files(tmp_path):
    folder = tmp_path / "pictures" / "spec" / "ab"
    folder.mkdir(parents=True)
    (folder / "x.pixels").write_bytes(b"12345")
    (tmp_path / "thesis.txt").write_bytes(b"not ours")
    assert used_bytes(tmp_path) == 5
    assert used_bytes(tmp_path / "gone") == 0


def test_weights_on_this_machine_are_found_without_network(tmp_path):
    from deftclean.models.weights import NANO, available_weights

    assert available_weights("nano", None) == available_weights(f"local-dir:{NANO}", None)
    weights = next(Path(NANO).glob("*.safetensors"))
    assert available_weights("ViT-B-16", str(weights)) == weights
