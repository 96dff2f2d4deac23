"""Reduces requirements.lock to the run-time needs of the programs, without development packages.

The extra for keys in tokens is one of them: an image is not added to where it runs.

Usage: runtime_lock.py PYPROJECT LOCK. Prints lines for `pip install --require-hashes -r`. Needs nothing but Python.
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

_PACKAGE = re.compile(r"([A-Za-z0-9._-]+)==")
_VIA = re.compile(r" +# +(?:via +)?([A-Za-z0-9._-]+)")
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def runtime_lock(lock: str, dependencies: Iterable[str]) -> str:
    """The blocks of the lock that the dependencies lead to.

    The lock names the dependents of each package (`# via`). Raises ValueError if a dependency is not in it.
    """
    blocks = _blocks(lock)
    wanted = {_normal(found[0]) for found in map(_NAME.match, dependencies) if found is not None}
    if missing := wanted - blocks.keys():
        raise ValueError(f"not in the lock: {', '.join(sorted(missing))}")
    before = 0
    while before != len(wanted):
        before = len(wanted)
        wanted |= {name for name, block in blocks.items() if wanted & _asked_by(block)}
    return "".join(block for name, block in blocks.items() if name in wanted)


def needed(dependencies: Iterable[str], extras: Mapping[str, Iterable[str]]) -> list[str]:
    """The requirements of the programs in an image, by `project` of pyproject.toml."""
    return [*dependencies, *extras["pkcs11"]]


def _blocks(lock: str) -> dict[str, str]:
    """The lines of each package, by its name."""
    blocks: dict[str, str] = {}
    name = ""
    for line in lock.splitlines(keepends=True):
        if (found := _PACKAGE.match(line)) is not None:
            name = _normal(found[1])
            blocks[name] = ""
        if name:
            blocks[name] += line
    return blocks


def _asked_by(block: str) -> set[str]:
    return {_normal(found[1]) for line in block.splitlines() if (found := _VIA.match(line)) is not None}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    pyproject, lock_file = map(Path, sys.argv[1:])
    project = tomllib.loads(pyproject.read_text("utf-8"))["project"]
    wanted = needed(project["dependencies"], project["optional-dependencies"])
    sys.stdout.write(runtime_lock(lock_file.read_text("utf-8"), wanted))
