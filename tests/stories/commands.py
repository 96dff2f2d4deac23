"""A command for people as a process, ended with all that it started when the test leaves."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


@contextmanager
def running(
    arguments: Sequence[str], directory: Path, environment: Mapping[str, str], seconds: float
) -> Iterator[subprocess.Popen[str]]:
    """`python -m …` with its federation in `directory`; it gets a stop signal after `seconds`."""
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments, "--directory", str(directory)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    watchdog = threading.Timer(seconds, process.terminate)
    watchdog.start()
    try:
        with process:
            try:
                yield process
            finally:
                process.terminate()
    finally:
        watchdog.cancel()
        if (directory / "stop").exists():
            subprocess.run(["/bin/sh", str(directory / "stop")], check=True)
