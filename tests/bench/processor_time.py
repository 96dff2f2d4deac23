"""How much processor time processes have used, from /proc (see proc(5), /proc/pid/stat)."""

import os
from collections.abc import Iterable
from pathlib import Path

_UTIME, _STIME = 11, 12  # fields 14 and 15 of the file, counted from the one after the command


def processor_seconds(pids: Iterable[int]) -> float:
    """User and system time of processes together, in seconds. Raises FileNotFoundError for one that is gone."""
    return sum(map(_ticks, pids)) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    # The command stands in parentheses and may hold spaces and parentheses itself.
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return int(fields[_UTIME]) + int(fields[_STIME])
