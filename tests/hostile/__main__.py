"""`python -m tests.hostile`: tries attacks on real processes, and writes into SECURITY.md what they cost.

Words are given to pytest, such as `-k codes`; the rows of tests that do not run stay. Other work on the machine
disturbs the figures.
"""

import sys
from pathlib import Path

import pytest

from tests.hostile.costs import Costs, with_costs

_ROOT = Path(__file__).parents[2]
_TESTS = (
    "tests/hostile",
    *(f"tests/federation/test_{each}.py" for each in ("forged_configuration", "forged_erasure", "stolen_keys")),
)


def main(*words: str) -> int:
    """Returns the exit code of pytest."""
    costs = Costs()
    code = pytest.main(["-n", "0", *(str(_ROOT / each) for each in _TESTS), *words], plugins=[costs])
    page = _ROOT / "SECURITY.md"
    page.write_text(with_costs(page.read_text("utf-8"), costs.found), "utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
