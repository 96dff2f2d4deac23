"""The memory of a process that is not swapped out: how large it is, how it grows, and giving back its free part."""

import ctypes
import errno
import os
from collections import deque
from pathlib import Path

_WITHIN = 10.0  # seconds, in which growth counts


def resident_bytes(pid: int | None = None) -> int:
    """The memory of a process, or of this one, in bytes. Raises OSError for one that has ended, or is hidden."""
    told = Path(f"/proc/{'self' if pid is None else pid}/statm").read_text("ascii")
    pages = int(told.split()[1])
    if not pages:
        raise ProcessLookupError(errno.ESRCH, "the process has ended, and nobody has waited for it", pid)
    return pages * os.sysconf("SC_PAGE_SIZE")


def give_back() -> None:
    """Gives the system the memory that is free again: the C library of most systems would keep it for this process.

    All that allocates memory waits meanwhile, up to a second for hundreds of MiB in small pieces.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class Growth:
    """By how much a size has grown lately: since its least in the last ten seconds."""

    def __init__(self) -> None:
        self._rising: deque[tuple[float, int]] = deque()
        """Times and sizes, of which each is larger than those before: the first is the least one."""

    def note(self, size: int, now: float) -> int:
        """The growth up to this size, at `now`: seconds of any clock that goes on."""
        while self._rising and self._rising[-1][1] >= size:
            self._rising.pop()
        self._rising.append((now, size))
        while self._rising[0][0] < now - _WITHIN:
            self._rising.popleft()
        return size - self._rising[0][1]
