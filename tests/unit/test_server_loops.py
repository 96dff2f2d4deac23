"""A process goes on until it is told to stop, or one of its loops ends."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from gateway import server
from gateway.server import run_until_stopped


async def for_ever() -> None:
    await asyncio.Event().wait()


async def defect() -> None:
    raise ZeroDivisionError


async def nothing() -> None:
    """Ends at once, and without a word."""


def ended(*loops: Coroutine[object, object, None]) -> None:
    async def scenario() -> None:
        tasks = [asyncio.create_task(each) for each in loops]
        try:
            await run_until_stopped(tasks)
        finally:
            await server.stop_tasks(tasks)

    asyncio.run(scenario())


@pytest.mark.parametrize(("loop", "failure"), [(defect, ZeroDivisionError), (nothing, RuntimeError)])
def test_a_process_ends_with_the_first_of_its_loops(
    monkeypatch: pytest.MonkeyPatch, loop: Callable[[], Coroutine[object, object, None]], failure: type[Exception]
) -> None:
    monkeypatch.setattr(server, "wait_for_stop", for_ever)
    with pytest.raises(failure):
        ended(for_ever(), loop())


def test_a_process_that_is_told_to_stop_ends_without_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "wait_for_stop", nothing)
    ended(for_ever())
