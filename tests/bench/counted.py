"""`python -m tests.bench.counted MODULE ARGUMENT…`: runs a program that counts its calls from SIGUSR1 until SIGUSR2.

The counts of all its threads are then in the file that the variable CALL_COUNTS names: JSON, calls by function. A
function of Python is named by its file and qualified name, a built-in one as the profiler prints it.
"""

import cProfile
import json
import os
import re
import runpy
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from types import FrameType

FILE = "CALL_COUNTS"
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


class CallCounts:
    """The calls of each function in this process, from `start` to `stop`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._main = cProfile.Profile()
        self._threads: list[cProfile.Profile] = []
        self._before: Counter[str] = Counter()

    def follow_threads(self) -> None:
        """Counts in every thread that begins from here on: no other thread can begin it later, but read it."""
        run, profiles = threading.Thread.run, self._threads

        def profiled(thread: threading.Thread) -> None:
            profile = cProfile.Profile()
            profiles.append(profile)
            profile.runcall(run, thread)

        threading.Thread.run = profiled  # type: ignore[assignment,method-assign]

    def start(self, number: int, frame: FrameType | None) -> None:
        """Begins; a handler of a signal."""
        self._before = self._counted(self._threads)
        self._main.enable()

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Ends, and writes the file; a handler of a signal."""
        self._main.disable()
        counts = self._counted([self._main, *self._threads])
        counts.subtract(self._before)
        written = self._file.with_suffix(".part")
        written.write_text(json.dumps({name: calls for name, calls in counts.items() if calls > 0}), "utf-8")
        written.replace(self._file)

    @staticmethod
    def _counted(profiles: list[cProfile.Profile]) -> Counter[str]:
        counts: Counter[str] = Counter()
        for profile in profiles:
            for entry in profile.getstats():
                code = entry.code
                name = code if isinstance(code, str) else f"{code.co_filename}:{code.co_qualname}"
                counts[_ADDRESS.sub("", name)] += entry.callcount
        return counts


def main() -> None:
    """Runs the program in this process."""
    counts = CallCounts(Path(os.environ[FILE]))
    counts.follow_threads()
    signal.signal(signal.SIGUSR1, counts.start)
    signal.signal(signal.SIGUSR2, counts.stop)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
