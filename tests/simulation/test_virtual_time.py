"""Processes that stand still on virtual time."""

import asyncio
import contextlib
import random
import selectors

from gateway.process.turns import owner
from tests.simulation.virtual_time import FreezingLoop, Process, VirtualLoop


def test_what_falls_due_while_a_process_stands_still_comes_afterwards() -> None:
    done: list[tuple[str, float]] = []

    async def work(name: str) -> None:
        await asyncio.sleep(1.0)
        await asyncio.to_thread(done.append, (name, asyncio.get_running_loop().time()))

    async def scenario() -> None:
        still, other = Process("still"), Process("other")
        tasks = [each.spawn(work(each.name)) for each in (still, other)]
        await asyncio.sleep(0.5)
        still.freeze()
        await asyncio.sleep(4.5)
        still.thaw()
        await asyncio.gather(*tasks)

    with asyncio.Runner(loop_factory=FreezingLoop) as runner:
        runner.run(scenario())
    assert done == [("other", 1.0), ("still", 5.0)]


def test_a_timeout_that_passed_while_a_process_stood_still_does_not_hit_what_was_finished_before() -> None:
    async def finish(answer: "asyncio.Future[int]") -> int:
        async with asyncio.timeout(1.0):
            return await answer

    async def scenario() -> int:
        still, answer = Process("still"), asyncio.get_running_loop().create_future()
        task = still.spawn(finish(answer))
        await asyncio.sleep(0.1)
        still.freeze()
        answer.set_result(7)
        await asyncio.sleep(2.0)
        still.thaw()
        return await task

    with asyncio.Runner(loop_factory=FreezingLoop) as runner:
        assert runner.run(scenario()) == 7


def test_work_in_a_process_has_nothing_of_the_context_of_whoever_asks_for_it() -> None:
    async def own() -> str:
        return owner.get()

    async def scenario() -> str:
        owner.set("of another process")
        return await Process("asked").spawn(own())

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(scenario()) == ""


class PassingSelector(selectors.SelectSelector):
    """Lets time pass instead of waiting, for a loop of asyncio."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += max(timeout or 0.0, 0.0)
        return []


class ShippedLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.passing = PassingSelector()
        super().__init__(self.passing)

    def time(self) -> float:
        return self.passing.now


def lived(loop: asyncio.AbstractEventLoop) -> list[tuple[str, float]]:
    """Everything that happens to many who sleep, give up, and cancel each other, often at the same instants."""
    done, source = list[tuple[str, float]](), random.Random(1)

    async def live(name: str) -> None:
        for _ in range(20):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(source.choice((0.0, 0.1, 0.3, 1.0, 50.0))):
                    await asyncio.sleep(source.choice((0.0, 0.1, 0.1 + 0.2, 0.3, 0.7)))
            done.append((name, loop.time()))

    async def all_live() -> None:
        tasks = [loop.create_task(live(f"{each}")) for each in range(100)]
        await asyncio.sleep(2.0)
        for task in tasks[::3]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    with contextlib.closing(loop):
        loop.run_until_complete(all_live())
    return done


def test_a_loop_on_virtual_time_does_everything_in_the_order_of_a_loop_of_asyncio() -> None:
    assert lived(VirtualLoop()) == lived(ShippedLoop())
