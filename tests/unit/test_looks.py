"""Loops that look at one interval look together, whenever each began."""

import asyncio

import pytest

from gateway.time.looks import until_look
from tests.simulation.virtual_time import VirtualLoop


@pytest.mark.parametrize("interval", [0.1, 1.0])
def test_loops_that_began_at_different_times_wake_a_process_once_an_interval(interval: float) -> None:
    async def looks(begin: float) -> list[float]:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(begin)
        found = []
        while loop.time() < 60 * interval:
            await asyncio.sleep(until_look(interval))
            found.append(loop.time())
        return found

    async def scenario() -> list[list[float]]:
        return await asyncio.gather(*(looks(begin * interval) for begin in (0.05, 0.31, 0.77, 0.96)))

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        everybody = runner.run(scenario())
    wakes = {round(each, 6) for found in everybody for each in found}
    assert wakes == {round(number * interval, 6) for number in range(1, 61)}
