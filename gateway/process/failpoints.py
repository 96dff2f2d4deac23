"""Named points at which a test may kill the process, to prove that a crash there loses and doubles nothing.

Armed only by the environment of the process, `CROSSREGION_FAIL_AT=name[,name]`; otherwise a point does nothing.
"""

import os
import signal
from functools import cache

VARIABLE = "CROSSREGION_FAIL_AT"


@cache
def _armed() -> frozenset[str]:
    return frozenset(filter(None, os.environ.get(VARIABLE, "").split(",")))


def reach(name: str) -> None:
    """Kills the process here, as kill -9 would, if this point is armed."""
    if name in _armed():
        os.kill(os.getpid(), signal.SIGKILL)
