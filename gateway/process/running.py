"""A process that serves: its event loop, its signals, the file that names its port, and its end."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from pathlib import Path
from typing import Any

import uvloop

from gateway.process.ending import Ending, own_ending, stop_signal
from gateway.process.files import replace_file
from gateway.process.memory import settle_memory
from gateway.process.open_files import allow_most_open_files
from gateway.process.starting import StoppedWhileStarting

# CPython's default of 5 ms lets the event loop keep the store's writer waiting after each commit.
SWITCH_INTERVAL = 0.0005
# Messages make garbage that reference counting removes; CPython's default looks for cycles 30 times as often.
GARBAGE_THRESHOLD = 20_000
STOP_SECONDS = 25.0  # for open calls, and for what is closed after them; supervisors kill a process after 30 s
_STOPPING = (signal.SIGTERM, signal.SIGINT)
_log = logging.getLogger(__name__)


class Running:
    """A process that has started: the port that it got, its loops, and the steps that end it."""

    def __init__(self, port: int, loops: Sequence[asyncio.Task[None]], rest: contextlib.AsyncExitStack) -> None:
        self.port = port
        self._loops = loops
        self._rest = rest

    async def run_until_stopped(self) -> None:
        """Returns after a signal to stop. Raises the error of a loop that dies."""
        await run_until_stopped(self._loops)

    async def stop(self) -> None:
        """Takes no new calls, finishes those being served, and closes everything."""
        await self._rest.aclose()
        _log.info("stopped")


async def serve(start: Awaitable[Running]) -> None:
    """Starts and runs until the process gets a signal to stop. Raises the errors of the start and of its loops.

    A process that cannot close everything in `STOP_SECONDS` ends with 1: a database that hangs would hold it for ever.
    The time begins with the signal, which may arrive during the start.
    """
    running = await start
    try:
        await running.run_until_stopped()
    finally:
        if (ending := own_ending.get()) is not None:
            ending.begin()
        await running.stop()


def show_port(file: Path | None, port: int, rest: contextlib.AsyncExitStack) -> None:
    """Writes the port into the file, which goes when `rest` is closed."""
    if file is not None:
        replace_file(file, f"{port}\n".encode("ascii"), mode=0o644)
        rest.callback(file.unlink, missing_ok=True)


def _give_up() -> None:
    _log.error("not closed in %d s; the next start takes up what was left", STOP_SECONDS)
    logging.shutdown()
    os._exit(1)


async def wait_for_stop() -> None:
    """Returns when the started process receives SIGTERM or SIGINT; at once if it has received one before."""
    settle_memory()
    stop = stop_signal()
    loop = asyncio.get_running_loop()
    for number in _STOPPING:
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


async def run_until_stopped(loops: Collection["asyncio.Task[None]"]) -> None:
    """Returns when the process has to stop. Raises the exception of a loop that ends; the loops run until then.

    A process with a dead loop would look healthy and not do its work, so it has to be restarted.
    """
    stopping = asyncio.get_running_loop().create_task(wait_for_stop())
    done, _ = await asyncio.wait({stopping, *loops}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    for task in done - {stopping}:
        if not task.cancelled():
            task.result()
        raise RuntimeError(f"{task.get_name()} has ended by itself")


async def _remembering(main: Callable[[], Coroutine[Any, Any, None]], ending: Ending) -> None:
    """Runs `main`, and remembers a stop signal that arrives during its start.

    A second signal ends the process there.
    """
    own_ending.set(ending)
    loop = asyncio.get_running_loop()

    def told() -> None:
        ending.told.set()
        ending.begin()
        for number in _STOPPING:
            loop.remove_signal_handler(number)

    for number in _STOPPING:
        loop.add_signal_handler(number, told)
    with contextlib.suppress(StoppedWhileStarting):
        await main()


def run_process(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a process: one event loop, until `main` returns."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(GARBAGE_THRESHOLD)
    allow_most_open_files()
    ending = Ending(STOP_SECONDS, _give_up)
    try:
        uvloop.run(_remembering(main, ending))
    finally:
        ending.over()
    # A channel in a reference cycle would keep gRPC's exit handler waiting for 2 s.
    gc.unfreeze()
    gc.collect()


async def stop_tasks(tasks: Collection[asyncio.Task[object]]) -> None:
    """Cancels tasks and waits until they are gone."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
