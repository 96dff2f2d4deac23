"""Processes: started, waited for, frozen, stopped, each by its process id."""

import contextlib
import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Protocol

START_SECONDS = 120.0  # a cold start takes a few seconds, a database after a kill on a busy disk a minute
STOP_SECONDS = 30.0  # as supervisors wait; a process ends by itself before
_WORK_SECONDS = 120.0  # for a program that ends by itself, on a busy machine
HALTED = "T"
_ENDING = (signal.SIGINT, signal.SIGTERM)
_LOOK = 0.02  # seconds between checks of a condition


class ProcessFailed(Exception):
    """A process ended, or missed a condition in time. The message ends with its last lines."""


class Started(Protocol):
    """A process as seen by its starter."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    def poll(self) -> int | None:
        """How it ended: its exit code, or the signal that ended it as a negative number; None while it runs."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end, and returns it as `poll` does.

        Raises subprocess.TimeoutExpired after `timeout` seconds.
        """
        ...


class ChildProcess:
    """A program's process, and its successor after a stop or a kill. Its output goes to a log."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._process: Started | None = None

    @property
    def pid(self) -> int:
        """The process id. Raises ProcessFailed where it does not run."""
        if self._process is None:
            raise ProcessFailed(f"{self.name} was not started")
        return self._process.pid

    def run(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        user: str | None = None,
        directory: Path | None = None,
    ) -> None:
        """Starts it without waiting, in a session of its own; as another user, in another directory if one is given."""
        if user is not None:
            # By a program, so that Python does not fork: gRPC ends a forked process if a call is under way.
            group = str(pwd.getpwnam(user).pw_gid)
            command = ["setpriv", "--reuid", user, "--regid", group, "--clear-groups", "--", *command]
        self.hold(lambda log: _start(command, environment, log, directory))

    def hold(self, start: Callable[[IO[bytes]], Started]) -> None:
        """Starts it through `start`, with its log."""
        # A running process that is unknown here could never be stopped.
        with self.log.open("ab") as log, _uninterrupted():
            self._process = start(log)

    def kill(self) -> None:
        """Ends it as kill -9 does."""
        if self.runs():
            os.kill(self.pid, signal.SIGKILL)
        self.wait_for_end()

    def kill_group(self) -> None:
        """Kills it and its children."""
        if self.runs():
            os.killpg(self.pid, signal.SIGKILL)  # its session makes it the leader of a group
        self.wait_for_end()

    def stop(self) -> int:
        """Sends a stop signal, waits, and returns its exit code. Raises ProcessFailed."""
        self.tell_to_stop()
        return self.wait_for_end()

    def tell_to_stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        """Sends a stop signal without waiting."""
        if self.runs():
            os.kill(self.pid, by)
            os.kill(self.pid, signal.SIGCONT)  # else a frozen process would get the signal only later

    def freeze(self) -> None:
        """Freezes it until `thaw`. Raises ProcessFailed for a process that is not running."""
        self.require_running()
        os.kill(self.pid, signal.SIGSTOP)
        wait_until(self.is_frozen, STOP_SECONDS, f"{self.name} halts")

    def thaw(self) -> None:
        """Thaws it, if it runs."""
        if self.runs():
            os.kill(self.pid, signal.SIGCONT)

    def is_frozen(self) -> bool:
        """Whether it is frozen."""
        return self._process is not None and state_of(self._process.pid) == HALTED

    def wait_for_end(self, seconds: float = STOP_SECONDS) -> int:
        """Waits until it has ended and returns its exit code. Raises ProcessFailed after `seconds`."""
        if self._process is None:
            return 0
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.kill(self.pid, signal.SIGKILL)
            self._process.wait(STOP_SECONDS)
            raise ProcessFailed(f"{self.name} did not stop\n{self.last_lines()}") from None

    def require_done(self) -> None:
        """Waits for a successful end of a program, which must leave no processes. Raises ProcessFailed."""
        try:
            code = self.wait_for_end(_WORK_SECONDS)
        finally:
            self.kill_group()
        if code:
            raise ProcessFailed(f"{self.name} ended with {code}\n{self.last_lines()}")

    def runs(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def require_running(self) -> None:
        """Raises ProcessFailed, with the end of its log, where it does not run."""
        if not self.runs():
            raise ProcessFailed(f"{self.name} does not run\n{self.last_lines()}")

    def last_lines(self, count: int = 15) -> str:
        """The end of its log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-count:])


@contextlib.contextmanager
def interrupted_once() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt in the block, as Ctrl-C does, so that the block ends what it has started.

    A second signal would break that off, and is ignored.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in _ENDING:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    with _received_by(interrupt):
        yield


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Signals that are to end this process wait until the block is left."""
    waiting: list[int] = []
    try:
        with _received_by(lambda number, _: waiting.append(number)):
            yield
    finally:
        for received in waiting:
            signal.raise_signal(received)


@contextlib.contextmanager
def _received_by(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """A handler receives the signals that are to end this process, until the block is left."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is ever interrupted
        return
    former = {number: signal.signal(number, handler) for number in _ENDING}
    try:
        yield
    finally:
        for number, before in former.items():
            signal.signal(number, before)


@dataclass(frozen=True)
class Program:
    """The module of a command, its arguments, and the files of its process."""

    name: str
    module: str
    arguments: Sequence[str]
    log: Path
    port_file: Path


Launcher = Callable[[Program, Mapping[str, str], IO[bytes]], Started]
"""Starts a program in an environment, in its own session; its output goes to a file."""


def launch_anew(program: Program, environment: Mapping[str, str], log: IO[bytes]) -> Started:
    """Starts a program with its own interpreter, as a shell does."""
    return _start([sys.executable, "-m", program.module, *program.arguments], environment, log)


class LocalProcess(ChildProcess):
    """A command of this project, which writes its port to a file."""

    def __init__(self, program: Program, launcher: Launcher = launch_anew) -> None:
        super().__init__(program.name, program.log)
        self.program = program
        self._launcher = launcher

    def start(self, environment: Mapping[str, str] | None = None) -> int:
        """Starts it and returns the port that it serves on. Raises ProcessFailed."""
        self.launch(environment)
        return self.await_port()

    def await_port(self) -> int:
        """Waits until it serves and returns the port. Raises ProcessFailed."""
        wait_until(self._serves, START_SECONDS, f"{self.name} serves")
        return int(self.program.port_file.read_text("ascii"))

    def launch(self, environment: Mapping[str, str] | None = None) -> None:
        """Starts it without waiting."""
        self.program.port_file.unlink(missing_ok=True)
        variables = {**os.environ, **(environment or {})}
        self.hold(lambda log: self._launcher(self.program, variables, log))

    def _serves(self) -> bool:
        self.require_running()
        return self.program.port_file.exists() and bool(self.program.port_file.read_text("ascii"))


def _start(
    command: Sequence[str], environment: Mapping[str, str], log: IO[bytes], directory: Path | None = None
) -> Started:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=environment,
        cwd=directory,
        start_new_session=True,
    )


def state_of(pid: int) -> str:
    """The state of a process in the kernel (proc(5): `T` halted, `Z` ended); empty for a missing one."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        # The name of the program before it is in brackets and may contain anything.
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
    return ""


def marked(mark: str) -> list[int]:
    """The processes with a text in their command line. Ended processes without a wait have none."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if mark.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def children_of(parents: Collection[int]) -> list[int]:
    """The processes that these have started, and that have not ended."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # The name of the program before it is in brackets and may contain anything.
            if int(path.read_text("utf-8", "replace").rpartition(")")[2].split()[1]) in parents:
                found.append(int(path.parent.name))
    return found


def signal_all(processes: Iterable[int], number: signal.Signals) -> None:
    """Sends a signal to processes, some of which may have ended."""
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def halt_all(find: Callable[[], Sequence[int]]) -> None:
    """Freezes all processes that `find` returns, until it returns frozen ones alone."""

    def halted() -> bool:
        processes = find()
        signal_all(processes, signal.SIGSTOP)
        return all(state_of(pid) == HALTED for pid in processes)

    wait_until(halted, STOP_SECONDS, "all processes halt")


def end_all(find: Callable[[], Sequence[int]]) -> None:
    """Kills all processes that `find` returns, until there is none."""

    def ended() -> bool:
        processes = find()
        signal_all(processes, signal.SIGKILL)
        return not processes

    wait_until(ended, STOP_SECONDS, "all processes end")


def wait_until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    """Returns once a condition holds. Raises ProcessFailed at the timeout."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise ProcessFailed(f"waited {seconds:.0f} s in vain: {what}")
        time.sleep(_LOOK)
