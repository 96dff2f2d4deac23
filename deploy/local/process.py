"""One process: started, waited for, stopped by its process id."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 30.0  # a cold start on a busy machine of two cores takes a few seconds
STOP_SECONDS = 20.0  # longer than a drain
_LOOK = 0.02  # seconds between looks at a condition


class ProcessFailed(Exception):
    """A process ended, or did not do in time what it was waited for. The message ends with its last lines."""


@dataclass(frozen=True)
class Program:
    """What to run: the module of a command, its arguments, and the files that the process writes."""

    name: str
    module: str
    arguments: Sequence[str]
    log: Path
    port_file: Path


class LocalProcess:
    """A program that can be started again after it was stopped or killed."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id. Raises ProcessFailed where it does not run."""
        if self._process is None:
            raise ProcessFailed(f"{self.program.name} was not started")
        return self._process.pid

    def start(self, environment: Mapping[str, str] | None = None) -> int:
        """Starts it and returns the port that it serves on. Raises ProcessFailed."""
        self.launch(environment)
        return self.await_port()

    def await_port(self) -> int:
        """Waits until it serves and returns the port. Raises ProcessFailed."""
        wait_until(self._serves, START_SECONDS, f"{self.program.name} serves")
        return int(self.program.port_file.read_text("ascii"))

    def launch(self, environment: Mapping[str, str] | None = None) -> None:
        """Starts it without waiting."""
        self.program.port_file.unlink(missing_ok=True)
        with self.program.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.program.module, *self.program.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )

    def kill(self) -> None:
        """Ends it as kill -9 does."""
        if self.runs():
            os.kill(self.pid, signal.SIGKILL)
        self.wait_for_end()

    def stop(self) -> int:
        """Tells it to stop, waits, and returns its exit code. Raises ProcessFailed."""
        self.tell_to_stop()
        return self.wait_for_end()

    def tell_to_stop(self) -> None:
        """Tells it to stop without waiting."""
        if self.runs():
            os.kill(self.pid, signal.SIGTERM)

    def wait_for_end(self) -> int:
        """Waits until it has ended and returns its exit code. Raises ProcessFailed."""
        if self._process is None:
            return 0
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
            raise ProcessFailed(f"{self.program.name} did not stop\n{self.last_lines()}") from None

    def runs(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def last_lines(self, count: int = 15) -> str:
        """The end of its log."""
        if not self.program.log.exists():
            return ""
        return "\n".join(self.program.log.read_text("utf-8", "replace").splitlines()[-count:])

    def _serves(self) -> bool:
        if not self.runs():
            raise ProcessFailed(f"{self.program.name} ended at its start\n{self.last_lines()}")
        return self.program.port_file.exists() and bool(self.program.port_file.read_text("ascii"))


def wait_until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    """Returns once a condition holds. Raises ProcessFailed when it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise ProcessFailed(f"waited {seconds:.0f} s in vain: {what}")
        time.sleep(_LOOK)
