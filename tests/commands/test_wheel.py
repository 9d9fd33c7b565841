"""What a user who installs the wheel gets."""

import os
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
