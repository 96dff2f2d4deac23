"""The results of many operations at once."""

import asyncio

import pytest

from gateway.relay.outcomes import outcomes


async def result_of(value: int) -> int:
    """A result that needs a turn of the event loop."""
    await asyncio.sleep(0)
    return value


def test_each_has_its_result_or_its_exception_in_order_whenever_it_is_done() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        broken, last = loop.create_future(), loop.create_future()
        broken.set_exception(ValueError("broken"))
        loop.call_soon(loop.call_soon, last.set_result, 3)
        first, second, third, fourth = await outcomes([result_of(1), broken, last, result_of(4)])
        assert (first, str(second), third, fourth) == (1, "broken", 3, 4)
        assert await outcomes([]) == []

    asyncio.run(scenario())


def test_a_caller_who_is_cancelled_ends_all_that_it_waits_for() -> None:
    async def scenario() -> None:
        waiting = [asyncio.get_running_loop().create_future() for _ in range(2)]
        task = asyncio.create_task(outcomes(waiting))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert all(each.cancelled() for each in waiting)

    asyncio.run(scenario())
