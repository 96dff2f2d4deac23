"""The thread in which a batch is verified."""

import asyncio
import threading

from gateway.relay.workers import INLINE_LIMIT, ThreadWorkers


def threads_of(items: int, signatures: int) -> set[str]:
    """The threads in which items with so many different signatures are verified."""

    async def work() -> list[str]:
        workers = ThreadWorkers()
        try:
            return await workers.each(lambda _: threading.current_thread().name, range(items), signatures)
        finally:
            workers.close()

    return set(asyncio.run(work()))


def test_items_of_few_signatures_are_verified_on_the_event_loop_however_many_they_are() -> None:
    here = {threading.current_thread().name}
    assert threads_of(256, 1) == here
    assert threads_of(INLINE_LIMIT, INLINE_LIMIT) != here
