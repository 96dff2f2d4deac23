"""The thread in which a batch is verified."""

import asyncio
import threading

from gateway.process.turns import owner
from gateway.relay.workers import INLINE_LIMIT, ThreadWorkers


def threads_of(items: int, signatures: int, inline_seconds: float = 600.0) -> list[str]:
    """The threads in which items with so many different signatures are verified."""

    async def work() -> list[str]:
        workers = ThreadWorkers(inline_seconds)
        try:
            return await workers.each(lambda _: threading.current_thread().name, range(items), signatures)
        finally:
            workers.close()

    return asyncio.run(work())


def test_items_of_few_signatures_are_verified_on_the_event_loop_however_many_they_are() -> None:
    here = threading.current_thread().name
    assert set(threads_of(256, 1)) == {here}
    assert here not in threads_of(INLINE_LIMIT, INLINE_LIMIT)


def test_items_that_take_longer_than_they_seem_to_leave_the_event_loop() -> None:
    here = threading.current_thread().name
    first, *rest = threads_of(256, 1, inline_seconds=-1.0)
    assert first == here
    assert len(rest) == 255
    assert here not in rest


def test_slow_work_of_one_owner_waits_for_one_piece_of_another_owner_and_not_for_all() -> None:
    done: list[str] = []

    async def work() -> None:
        workers, may_begin = ThreadWorkers(), threading.Event()

        async def alone(name: str) -> None:
            owner.set(name)
            await workers.alone(may_begin.wait)
            done.append(name)

        try:
            async with asyncio.TaskGroup() as group:
                for name in (*["flood"] * 20, "counter"):
                    group.create_task(alone(name))
                await asyncio.sleep(0)
                may_begin.set()
        finally:
            workers.close()

    asyncio.run(work())
    assert done.index("counter") <= 2
