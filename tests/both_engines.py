"""The files of tests with databases that always run on both engines; `make test-all` runs all files on both.

These write and read most kinds of rows, or concern the engines themselves. The other files use databases in the same
way: they differ by rules, by refusals, and by output.
"""

import os
from pathlib import Path

_FEDERATION = "complaints erasure faults network_problems orders sharing"
_CRASH = "home receipt"
_BOTH = {
    *(("federation", f"test_{name}") for name in _FEDERATION.split()),
    *(("crash", f"test_{name}") for name in _CRASH.split()),
}


def runs_on_both(path: Path) -> bool:
    """Whether the tests of a file run on both engines."""
    return (path.parent.name, path.stem) in _BOTH or os.environ.get("ENGINES") == "all"
