"""Queues of messages for coordinators: a refusal for want of room ends a pass."""

import asyncio
from collections.abc import Callable
from typing import TypeVar, cast

import pytest

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Store, Transaction
from region_node.node.telling import Queue

T = TypeVar("T")


class _Rows:
    """A store that holds what is queued."""

    async def read(self, operation: Callable[[Transaction], T]) -> T:
        """See the port."""
        return operation(cast("Transaction", None))


@pytest.mark.parametrize("reason", [Reason.REASON_TOO_BUSY, Reason.REASON_NUMBERS_GIVEN_TOO_MANY])
def test_the_pass_after_a_refusal_for_want_of_room_begins_behind_it(reason: Reason.ValueType) -> None:
    queue, told = Queue(cast("Store", _Rows()), lambda _, after: [each for each in "abc" if each > after], str), ""

    async def tell(message: str) -> bool:
        nonlocal told
        told += message
        if told == "ab":
            raise Refused(reason)
        return True

    async def scenario() -> None:
        with pytest.raises(Refused):
            await queue.tell_each(tell)
        assert not await queue.tell_each(tell)
        assert told == "abc"
        assert await queue.tell_each(tell)
        assert told == "abcabc"

    asyncio.run(scenario())
