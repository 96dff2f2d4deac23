"""The files of a release, made twice from one commit."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.release.licences import licensed

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "deploy" / "release" / "release.sh"
STAMPS = (ROOT / "build" / "release" / "packages.stamp", ROOT / "build" / "release" / "tools.stamp")


@pytest.mark.slow
@pytest.mark.skipif(not all(stamp.exists() for stamp in STAMPS), reason="packages are not there: run `make release`")
def test_a_commit_has_one_release_whose_bill_names_every_locked_package(tmp_path: Path) -> None:
    for name in ("first", "second"):
        subprocess.run(["sh", str(SCRIPT), sys.executable, str(tmp_path / name)], check=True, capture_output=True)
    first, second = (tmp_path / name / "SHA256SUMS" for name in ("first", "second"))
    assert first.read_text() == second.read_text()
    bill = {
        each.name.lower().replace("_", "-")
        for each in licensed(json.loads(first.with_name("sbom.cdx.json").read_text()))
    }
    locked = {line.split("==")[0] for line in first.with_name("runtime.lock").read_text().splitlines() if "==" in line}
    assert {name for name in locked if not name.startswith(" ")} - bill <= {"colorama", "importlib-metadata", "zipp"}
