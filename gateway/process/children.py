"""The programs that a process runs: each ends with what wanted it, and with time to put its own things away."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ended(process: "subprocess.Popen[bytes] | subprocess.Popen[str]", seconds: float) -> Iterator[None]:
    """Ends a program with the context: by SIGTERM, and where it goes on for so many seconds by SIGKILL."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def reap() -> None:
    """Takes the exit codes of all ended children, of those too that a first process of a container inherits.

    No program of this process may run meanwhile: its own exit code would be lost.
    """
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return
