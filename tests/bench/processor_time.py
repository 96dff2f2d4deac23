"""How much processor time processes and the machine have used, by clocks of the kernel and proc(5)."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

_BUSY = (0, 1, 2, 5, 6, 7)  # user, nice, system, irq, softirq and steal of /proc/stat


def processor_seconds(pids: Iterable[int]) -> float:
    """User and system time of processes together, in seconds. Raises OSError for one that is gone."""
    # The clock of a process as clock_getcpuclockid(3) makes it: exact, where /proc counts in hundredths of a second.
    return sum(time.clock_gettime(~pid << 3 | 2) for pid in pids)


def busy_seconds() -> float:
    """Time for which all processors together were not idle since the start of the machine, in seconds."""
    fields = Path("/proc/stat").read_text("ascii").splitlines()[0].split()[1:]
    return sum(int(fields[index]) for index in _BUSY) / os.sysconf("SC_CLK_TCK")


def other_processors(seconds: float) -> float:
    """How many processors everything but this process keeps busy, watched for so long."""
    busy, own, started = busy_seconds(), time.process_time(), time.perf_counter()
    time.sleep(seconds)
    used = busy_seconds() - busy - (time.process_time() - own)
    return max(0.0, used) / (time.perf_counter() - started)
