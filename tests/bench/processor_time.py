"""How much processor time processes have used, from /proc (see proc(5), /proc/pid/stat)."""

import os
from collections.abc import Iterable
from pathlib import Path

_UTIME, _STIME = 11, 12  # fields 14 and 15 of the file, counted from the one after the command
_BUSY = (0, 1, 2, 5, 6, 7)  # user, nice, system, irq, softirq and steal of /proc/stat


def processor_seconds(pids: Iterable[int]) -> float:
    """User and system time of processes together, in seconds. Raises FileNotFoundError for one that is gone."""
    return sum(map(_ticks, pids)) / os.sysconf("SC_CLK_TCK")


def busy_seconds() -> float:
    """Time for which all processors together were not idle since the start of the machine, in seconds."""
    fields = Path("/proc/stat").read_text("ascii").splitlines()[0].split()[1:]
    return sum(int(fields[index]) for index in _BUSY) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    # The command stands in parentheses and may hold spaces and parentheses itself.
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return int(fields[_UTIME]) + int(fields[_STIME])
