"""Streams of requests are answered many at a time, and never more than the caller reads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from region_node.node.answering import Places, answer_each, at_most

AT_ONCE = 4
PATIENCE_S = 60.0


class Requests:
    """A stream of numbers that notes how far it was read."""

    def __init__(self, count: int, *, refused: Refused | None = None) -> None:
        self.read = 0
        self._count = count
        self._refused = refused

    async def __aiter__(self) -> AsyncIterator[int]:
        while self.read < self._count:
            self.read += 1
            yield self.read
        if self._refused is not None:
            raise self._refused


class Gated:
    """Answers each number once its gate is open."""

    def __init__(self) -> None:
        self.gates = {number: asyncio.Event() for number in range(1, 20)}

    async def __call__(self, number: int) -> int:
        await self.gates[number].wait()
        return number


async def settle() -> None:
    """Lets every task go as far as it can by itself."""
    for _ in range(50):
        await asyncio.sleep(0)


def test_every_request_is_answered() -> None:
    async def run() -> list[int]:
        async def double(number: int) -> int:
            await asyncio.sleep(0)
            return 2 * number

        return [answer async for answer in answer_each(aiter(Requests(25)), double, at_most(AT_ONCE))]

    assert sorted(asyncio.run(run())) == list(range(2, 51, 2))


def test_answers_come_as_they_are_ready_and_no_more_is_under_way_than_allowed() -> None:
    async def run() -> None:
        answer = Gated()
        requests = Requests(10)
        async with aclosing(answer_each(aiter(requests), answer, at_most(AT_ONCE))) as answers:
            first = asyncio.ensure_future(anext(answers))
            await settle()
            assert requests.read == AT_ONCE + 1, "the one that was read ahead waits for a place"
            answer.gates[3].set()
            assert await first == 3

    asyncio.run(run())


def test_a_caller_that_does_not_read_is_not_read_from() -> None:
    async def run() -> None:
        async def answer(number: int) -> int:
            return number

        requests = Requests(100)
        async with aclosing(answer_each(aiter(requests), answer, at_most(AT_ONCE))) as answers:
            for taken in range(1, 6):
                await anext(answers)
                await settle()
                assert requests.read == AT_ONCE + taken

    asyncio.run(run())


def test_a_request_that_takes_several_places_waits_for_all_of_them_or_for_all_there_are() -> None:
    async def run() -> None:
        answer = Gated()
        requests = Requests(10)
        shared, places = Places(AT_ONCE), {1: 1, 2: 2, 3: 2, 4: AT_ONCE + 1}
        async with aclosing(
            answer_each(aiter(requests), answer, lambda each: (shared, places.get(each, 1)))
        ) as answers:
            for answered, read in ((1, 3), (2, 4), (3, 4), (4, 5)):
                first = asyncio.ensure_future(anext(answers))
                await settle()
                assert requests.read == read
                answer.gates[answered].set()
                assert await first == answered

    asyncio.run(run())


def test_what_was_read_before_the_stream_is_refused_is_answered_first() -> None:
    async def run() -> None:
        async def answer(number: int) -> int:
            await asyncio.sleep(0.001)
            return number

        requests = Requests(3, refused=Refused(Reason.REASON_TOO_BUSY))
        answers = answer_each(aiter(requests), answer, at_most(AT_ONCE))
        assert sorted([await anext(answers) for _ in range(3)]) == [1, 2, 3]
        with pytest.raises(Refused):
            await anext(answers)

    asyncio.run(run())


def test_a_defect_of_an_answer_ends_the_stream() -> None:
    async def run() -> None:
        async def answer(number: int) -> int:
            raise ZeroDivisionError

        with pytest.raises(ExceptionGroup):
            async for _ in answer_each(aiter(Requests(3)), answer, at_most(AT_ONCE)):
                pass

    asyncio.run(run())


def test_nothing_goes_on_for_a_caller_that_is_gone() -> None:
    async def run() -> None:
        cancelled: list[int] = []

        async def answer(number: int) -> int:
            if number > 1:
                try:
                    await asyncio.Event().wait()
                finally:
                    cancelled.append(number)
            return number

        async with aclosing(answer_each(aiter(Requests(3)), answer, at_most(AT_ONCE))) as answers:
            assert await anext(answers) == 1
            await settle()
        assert sorted(cancelled) == [2, 3]

    asyncio.run(run())


def test_a_stream_that_ends_leaves_its_places_to_the_others_that_share_them() -> None:
    async def run() -> None:
        answer, shared = Gated(), Places(AT_ONCE)
        requests, others = Requests(10), Requests(10)
        async with aclosing(answer_each(aiter(others), answer, lambda _: (shared, 1))) as waiting:
            async with aclosing(answer_each(aiter(requests), answer, lambda _: (shared, 1))) as leaving:
                for number in (1, 2):
                    answer.gates[number].set()
                await anext(leaving)
                first = asyncio.ensure_future(anext(waiting))
                await settle()
                assert others.read == 1, "it waits for a place"
            await settle()
            assert others.read == AT_ONCE + 1
            assert await first in (1, 2)

    asyncio.run(run())


def test_a_stream_that_is_cancelled_again_while_it_ends_gives_its_places_back() -> None:
    async def run() -> None:
        places, ends = Places(1), asyncio.Event()

        async def end_slowly(_: int) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await ends.wait()

        async def read() -> None:
            async for _ in answer_each(aiter(Requests(1)), end_slowly, lambda _: (places, 1)):
                pass

        reading = asyncio.create_task(read())
        await settle()
        for _ in range(2):
            reading.cancel()
            await settle()
        ends.set()
        await asyncio.wait([reading])
        async with asyncio.timeout(PATIENCE_S):
            assert await places.take(1) == 1

    asyncio.run(run())
