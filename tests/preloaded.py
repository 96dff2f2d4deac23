"""Programs as processes of their own with all imports done: the commands' modules are already loaded.

Each is forked from a server of Python's own (`multiprocessing.forkserver`), which has the commands' modules and has
never started a thread, a loop or a channel. Importing them takes a second of a processor's time for each start of a
node. `tests/stories` and `tests/contract` start programs as people do.
"""

import functools
import gc
import json
import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import connection, forkserver
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from pkgutil import walk_packages
from tempfile import TemporaryDirectory
from threading import Lock
from typing import IO, cast

import coordinator.cli
import region_node.cli
from deploy.local.process import Program, Started

_PROGRAMS = ("coordinator.app", "deploy.provider.server", "region_node.app.process")
_COMMANDS = (coordinator.cli, region_node.cli)


class _Forked:
    """A process that was forked; see `deploy.local.process.Started`."""

    def __init__(self, process: BaseProcess, pid: int) -> None:
        self.pid = pid
        self._process = process

    def poll(self) -> int | None:
        """See Started."""
        # Whoever starts a process looks after those that have ended too, and only one of two can read how.
        with _one_by_one():
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """See Started."""
        connection.wait([self._process.sentinel], timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0.0)
        return code


def launch(program: Program, environment: Mapping[str, str], log: IO[bytes]) -> Started:
    """Starts a program; see `deploy.local.process.Launcher`."""
    files = (os.devnull, log.name, log.name)
    return _fork(program.module, program.arguments, environment, files)


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, and what it has printed."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, object]:
        """The output with `--json`."""
        return cast("dict[str, object]", json.loads(self.out))


def run(module: str, *arguments: str, environment: Mapping[str, str], typed: str = "") -> Ended:
    """Runs a command to its end, with more of an environment and with `typed` on its standard input."""
    with TemporaryDirectory() as name:
        given, out, errors = (Path(name) / each for each in ("given", "out", "errors"))
        given.write_text(typed, "utf-8")
        files = (str(given), str(out), str(errors))
        code = _fork(module, arguments, {**os.environ, **environment}, files).wait()
        return Ended(code, out.read_text("utf-8"), errors.read_text("utf-8"))


def _fork(
    module: str, arguments: Sequence[str], environment: Mapping[str, str], files: tuple[str, str, str]
) -> Started:
    what = (module, tuple(arguments), dict(environment), files)
    process = _server().Process(target=_serve, args=what, name=module, daemon=True)
    with _one_by_one():
        process.start()
    assert process.pid is not None
    return _Forked(process, process.pid)


def begin() -> None:
    """Starts the server, which imports all modules meanwhile: the first program need not wait for them."""
    _server()
    forkserver.ensure_running()


@functools.cache
def _one_by_one() -> Lock:
    return Lock()


@functools.cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    commands = (walk_packages(each.__path__, f"{each.__name__}.") for each in _COMMANDS)
    # The commands come first: as their processes do, they choose how gRPC speaks TLS before it is loaded.
    packages = (each.__name__ for each in _COMMANDS)
    context.set_forkserver_preload([*packages, *_PROGRAMS, *(found.name for each in commands for found in each)])
    return context


def _serve(module: str, arguments: Sequence[str], environment: Mapping[str, str], files: tuple[str, str, str]) -> None:
    gc.freeze()  # what was imported before the fork stays: to look it through takes most of a command's time
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    given, out, errors = files
    _open_as(0, given, os.O_RDONLY)
    _open_as(1, out, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    _open_as(2, errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - multiprocessing has closed the former one
    sys.argv = [module, *arguments]
    sys.modules.pop(module, None)  # it runs as the program, not as what was imported
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _open_as(number: int, path: str, flags: int) -> None:
    opened = os.open(path, flags, 0o600)
    os.dup2(opened, number)
    os.close(opened)
