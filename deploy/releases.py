"""The releases of `releases.yaml`, and whether the contract still keeps to the last of them.

    python -m deploy.releases                    fail, naming what breaks it, if a peer of the last release could not
                                                 speak to this version
    python -m deploy.releases --against COMMIT   the same against any commit

Before the first release there is nothing to keep to.
"""

import argparse
import datetime
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
RELEASES = ROOT / "deploy" / "releases.yaml"


class ReleaseError(Exception):
    """The list of releases cannot be used, or a commit of it is missing; the text has the remedy."""


@dataclass(frozen=True)
class Release:
    """A release."""

    version: str
    commit: str
    """40 hexadecimal digits."""
    date: datetime.date


def releases(path: Path = RELEASES) -> list[Release]:
    """The releases, oldest first. Raises ReleaseError."""
    try:
        found = yaml.safe_load(path.read_text())["releases"]
        listed = [Release(str(each["version"]), str(each["commit"]), each["date"]) for each in found]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ReleaseError(f"{path} is no list of releases: {error}") from error
    for each in listed:
        if len(each.commit) != 40 or not all(digit in "0123456789abcdef" for digit in each.commit):
            raise ReleaseError(f"{path}: the commit of {each.version} is not 40 hexadecimal digits")
        if not isinstance(each.date, datetime.date):
            raise ReleaseError(f"{path}: the date of {each.version} is not like 2026-11-30")
    return listed


def extract(commit: str, target: Path, *paths: str) -> None:
    """Writes the files of a commit into a directory; all of them where no paths are given. Raises ReleaseError."""
    if not _has(commit):
        raise ReleaseError(
            f"this clone lacks the commit {commit}: run `git fetch origin {commit}`,"
            " or `git fetch --unshallow` where the clone is shallow"
        )
    archive = _git("archive", commit, *paths)
    archive.check_returncode()
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(target, filter="data")


def _has(commit: str) -> bool:
    return _git("cat-file", "-e", f"{commit}^{{commit}}").returncode == 0


def _is_shallow() -> bool:
    return _git("rev-parse", "--is-shallow-repository").stdout.strip() == b"true"


def _git(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([shutil.which("git") or "git", *words], cwd=ROOT, check=False, capture_output=True)


def breaks(commit: str) -> str:
    """The breaking changes of the contract against a commit, a line each; empty without any. Raises ReleaseError."""
    with tempfile.TemporaryDirectory() as directory:
        extract(commit, Path(directory), "protos", "buf.yaml")
        buf = Path(sys.executable).parent / "buf"
        done = subprocess.run(
            [str(buf), "breaking", "--against", directory], cwd=ROOT, check=False, capture_output=True, text=True
        )
    return done.stdout + done.stderr if done.returncode != 0 else ""


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; 0 where nothing breaks, 1 otherwise."""
    parser = argparse.ArgumentParser(description="Compare the contract with the last release.")
    parser.add_argument("--against", metavar="COMMIT", default="", help="compare with this commit instead")
    commit: str = parser.parse_args(arguments).against
    try:
        listed = releases()
        if not commit and not listed:
            print("no release yet: the contract may change as it likes")
            return 0
        name = commit or listed[-1].version
        if not commit and _is_shallow() and not _has(listed[-1].commit):
            print(f"not compared with {name}: this clone is shallow; `git fetch --unshallow` brings its commit")
            return 0
        found = breaks(commit or listed[-1].commit)
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    if found:
        print(f"the contract breaks peers of {name}:\n{found}", file=sys.stderr)
        return 1
    print(f"the contract keeps to that of {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
