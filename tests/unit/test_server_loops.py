"""A process continues until a stop signal, or the end of one of its loops."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine

import pytest

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import running, starting
from gateway.process.ending import Ending, own_ending
from gateway.process.running import run_until_stopped, stop_tasks
from gateway.process.starting import StoppedWhileStarting, persistently

PATIENCE_S = 60.0


async def for_ever() -> None:
    await asyncio.Event().wait()


async def defect() -> None:
    raise ZeroDivisionError


async def cancelled() -> None:
    raise asyncio.CancelledError


async def nothing() -> None:
    """Ends at once, and without a word."""


def ended(*loops: Coroutine[object, object, None]) -> None:
    async def scenario() -> None:
        tasks = [asyncio.create_task(each) for each in loops]
        try:
            await run_until_stopped(tasks)
        finally:
            await stop_tasks(tasks)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("loop", "failure"), [(defect, ZeroDivisionError), (nothing, RuntimeError), (cancelled, RuntimeError)]
)
def test_a_process_ends_with_the_first_of_its_loops(
    monkeypatch: pytest.MonkeyPatch, loop: Callable[[], Coroutine[object, object, None]], failure: type[Exception]
) -> None:
    monkeypatch.setattr(running, "wait_for_stop", for_ever)
    with pytest.raises(failure):
        ended(for_ever(), loop())


def test_a_process_that_is_told_to_stop_ends_without_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "wait_for_stop", nothing)
    ended(for_ever())


def test_a_step_of_the_start_is_tried_again_until_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "TRY_AGAIN", 0.0)
    left = [Reason.REASON_STORE_UNAVAILABLE, Reason.REASON_OUTCOME_UNKNOWN]

    async def step() -> str:
        if left:
            raise Refused(left.pop())
        return "done"

    assert asyncio.run(persistently(step)) == "done"


def test_a_start_that_is_told_to_stop_is_not_tried_again() -> None:
    async def scenario() -> None:
        ending = Ending(0.0, lambda: None)
        own_ending.set(ending)

        async def step() -> None:
            ending.told.set()
            raise Refused(Reason.REASON_STORE_UNAVAILABLE)

        await persistently(step)

    with pytest.raises(StoppedWhileStarting):
        asyncio.run(scenario())


def test_a_step_of_the_start_that_never_passes_is_not_tried_again() -> None:
    async def step() -> None:
        raise Refused(Reason.REASON_CONFIGURATION_INVALID, problem="x")

    with pytest.raises(Refused):
        asyncio.run(persistently(step))


def test_serving_within_another_process_sets_no_time_for_its_end() -> None:
    async def ends() -> None:
        raise ConnectionError

    async def start() -> running.Running:
        return running.Running(0, [asyncio.create_task(ends())], contextlib.AsyncExitStack())

    async def serve() -> None:
        await running.serve(start())

    with pytest.raises(ConnectionError):
        asyncio.run(serve())
    assert not [each for each in threading.enumerate() if isinstance(each, threading.Timer)]


def test_the_time_of_an_end_begins_once_however_often_a_process_is_to_end() -> None:
    given_up = threading.Semaphore(0)
    ending = Ending(0.0, given_up.release)
    for _ in range(3):
        ending.begin()
    assert given_up.acquire(timeout=PATIENCE_S)
    assert not given_up.acquire(blocking=False)
