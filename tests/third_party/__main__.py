"""`python -m tests.third_party`: tries the Open APIs by programs of others, and writes docs/integrating.md anew.

`make schemathesis tmforum` installs them. Words are given to pytest, such as `-n 2` or `-k v5`; the cells of runs
that do not happen stay.
"""

import sys
from pathlib import Path

import pytest

from tests.third_party.results import Results, with_results

_ROOT = Path(__file__).parents[2]
_TESTS = tuple(f"tests/federation/test_{each}.py" for each in ("open_api_fuzzing", "tmforum_client"))


def main(*words: str) -> int:
    """Returns the exit code of pytest."""
    results = Results()
    code = pytest.main([*(str(_ROOT / each) for each in _TESTS), *words], plugins=[results])
    page = _ROOT / "docs" / "integrating.md"
    page.write_text(with_results(page.read_text("utf-8"), results.tried, results.calls), "utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
