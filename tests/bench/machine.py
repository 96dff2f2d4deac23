"""The machine of a run: its processor, memory, kernel, and the file system of the databases."""

import os
import platform
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

_SYNCS = 32
_BLOCK = bytes(4096)
_KIB_IN_GIB = 2**20


@dataclass(frozen=True)
class Machine:
    """A machine, by the properties that move a ratio. A new kernel leaves it the same machine."""

    processor: str
    cores: int
    memory_gib: int
    file_system: str
    kernel: str = field(compare=False)


def machine_of(directory: Path) -> Machine:
    """This machine, with databases below a directory, which must exist."""
    return Machine(
        processor=_field(Path("/proc/cpuinfo"), "model name") or platform.machine(),
        cores=os.cpu_count() or 1,
        memory_gib=round(int(_field(Path("/proc/meminfo"), "MemTotal").split()[0]) / _KIB_IN_GIB),
        file_system=file_system(directory),
        kernel=platform.release(),
    )


def file_system(directory: Path) -> str:
    """The type of the file system of a directory, as mount(8) names it."""
    mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text("utf-8").splitlines()]
    path = directory.resolve()
    holding = [(len(Path(place).parts), kind) for place, kind in mounts if path.is_relative_to(place)]
    # Of two mounts at one place the later hides the earlier.
    return max(enumerate(holding), key=lambda each: (each[1][0], each[0]))[1][1]


def sync_seconds(directory: Path) -> float:
    """The median time that a write of 4 KiB takes to reach the disk, in seconds. Raises OSError."""
    times: list[float] = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(_SYNCS):
            started = time.perf_counter()
            os.write(file.fileno(), _BLOCK)
            os.fsync(file.fileno())
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def _field(path: Path, name: str) -> str:
    """The first value of a name in a file of lines `name: value`; empty without one."""
    lines = (line.partition(":") for line in path.read_text("utf-8").splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == name), "")
