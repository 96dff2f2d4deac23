"""Which files of tests with databases run on SQLite and on PostgreSQL each time; `make test-all` has all do so.

Those that write and read most kinds of rows, or are about the engines themselves. What the others do to a database is
in these, too: they differ by rules, by what is refused, and by what commands print.
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
