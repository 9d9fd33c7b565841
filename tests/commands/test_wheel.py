"""What a user who installs the wheel gets."""

import json
import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.support.places import PACKAGE, ROOT


def test_types_and_the_built_in_model_are_in_the_wheel(tmp_path):
    pytest.importorskip("hatchling", reason="needs hatchling, of the extra `test`")
    code = f"import hatchling.build; hatchling.build.build_wheel({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, env=dict(os.environ))
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert "deftclean/py.typed" in names
    assert any(name.startswith("deftclean/assets/nano/") for name in names)
    modules = {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py")}
    assert modules <= names
    assert not any(name.startswith(("tests/", "docs/", "benchmarks/")) for name in names)


def test_what_the_dockerfile_copies_is_enough_to_build_and_to_begin(tmp_path):
    """Its steps as far as they go without a daemon: nothing else of the repository is there."""
    pytest.importorskip("hatchling", reason="needs hatchling, of the extra `test`")
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    steps = [line.split() for line in lines if line and not line.startswith("#")]
    source = tmp_path / "src"
    source.mkdir()
    copied = [step[1:] for step in steps if step[0] == "COPY"]
    for *names, target in copied:
        for name in names:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, source / target)
            else:
                shutil.copy(ROOT / name, source / target)
    code = f"import hatchling.build; print(hatchling.build.build_wheel({str(tmp_path)!r}))"
    subprocess.run([sys.executable, "-c", code], cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    (begin,) = [json.loads(" ".join(step[1:])) for step in steps if step[0] == "ENTRYPOINT"]
    (shown,) = [json.loads(" ".join(step[1:])) for step in steps if step[0] == "CMD"]
    assert begin == ["deftclean"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    said = subprocess.run(
        [sys.executable, "-m", *begin, *shown],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "scan" in said
    where = "import deftclean; print(deftclean.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert found.startswith(str(tmp_path / "site"))
