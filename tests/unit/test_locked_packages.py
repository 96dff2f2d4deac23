"""A package is installed if it is the one of the lock, and not if somebody has exchanged it."""

import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WHEEL = "harmless-1.0-py3-none-any.whl"
METADATA = "Metadata-Version: 2.1\nName: harmless\nVersion: 1.0\n"
FORM = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
INFORMATION = "harmless-1.0.dist-info"
FILES = "harmless.py", *(f"{INFORMATION}/{name}" for name in ("METADATA", "WHEEL", "RECORD"))
RECORD = "".join(f"{each},,\n" for each in FILES)


def written(directory: Path, code: str) -> str:
    """Writes a wheel with some code; returns its SHA-256 in hexadecimal."""
    content = {"METADATA": METADATA, "WHEEL": FORM, "RECORD": RECORD}
    with zipfile.ZipFile(directory / WHEEL, "w") as wheel:
        wheel.writestr("harmless.py", code)
        for name, text in content.items():
            wheel.writestr(f"{INFORMATION}/{name}", text)
    return hashlib.sha256((directory / WHEEL).read_bytes()).hexdigest()


def is_installed(directory: Path) -> bool:
    """Whether pip installs what a lock in a directory names, from the same directory, as `make setup` does."""
    words = ["--no-index", "--no-deps", "--require-hashes", "--find-links", ".", "--target", "installed"]
    command = [sys.executable, "-m", "pip", "install", *words, "--requirement", "lock"]
    ended = subprocess.run(command, cwd=directory, capture_output=True, check=False)
    there = (directory / "installed" / "harmless.py").exists()
    assert there == (ended.returncode == 0), ended.stderr.decode()
    return there


def test_each_package_of_the_lock_has_hashes_and_setup_compares_them() -> None:
    entries = re.split(r"\n(?=[a-z0-9])", (ROOT / "requirements.lock").read_text("utf-8"))
    packages = [each for each in entries if "==" in each.partition("\n")[0]]
    assert len(packages) > 1
    assert [each.partition(" ")[0] for each in packages if "--hash=sha256:" not in each] == []
    assert "--require-hashes" in (ROOT / "deploy" / "build" / "setup.sh").read_text("utf-8")


@pytest.mark.slow
def test_an_exchanged_package_is_not_installed(tmp_path: Path) -> None:
    right = written(tmp_path, "VALUE = 1\n")
    (tmp_path / "lock").write_text(f"harmless==1.0 --hash=sha256:{right}\n", "utf-8")
    written(tmp_path, "VALUE = 2\n")
    assert not is_installed(tmp_path)
    (tmp_path / "lock").write_text(f"harmless==1.0 --hash=sha256:{written(tmp_path, 'VALUE = 2')}\n", "utf-8")
    assert is_installed(tmp_path)
