"""When configurations in etcd came into force: read beside each of them, once, and unknown for a damaged one."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from etcd3.etcdrpc import rpc_pb2

from coordinator.registry.etcd import values
from coordinator.registry.etcd.client import EtcdClient, Forgotten, Read, Unanswered
from coordinator.registry.etcd.copy import Entry
from coordinator.registry.etcd.history import History
from coordinator.registry.etcd.keys import KeyRange, Keys
from coordinator.registry.etcd.packing import Packed
from coordinator.registry.etcd.plans import Plans
from gateway.time.clock import to_microseconds

KEYS = Keys("crossregion.example")
AT = KEYS.configuration_at
FIRST = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATER = FIRST + timedelta(days=1)
SECONDS = 60.0


def applied(revision: int, time: int) -> bytes:
    """The value of a configuration with a time in microseconds."""
    return values.encode_packed(revision, Packed(b"content"), "admin/root", time)


class Etcd:
    """The values of etcd, each with its revision, and the keys of those that were read.

    While `readable` is 0, it does not answer: it raises `problem`.
    """

    def __init__(self, held: dict[bytes, Entry]) -> None:
        self.held = held
        self.read_keys = list[bytes]()
        self.readable = 10
        self.problem = Unanswered("DEADLINE_EXCEEDED")

    async def call(self, _: object, request: rpc_pb2.RangeRequest, seconds: float) -> rpc_pb2.RangeResponse:
        assert (request.keys_only, seconds) == (True, SECONDS)
        found = rpc_pb2.RangeResponse()
        for key, entry in self.held.items():
            if request.key <= key < request.range_end:
                found.kvs.add(key=key, mod_revision=entry.revision)
        return found

    async def read(self, ranges: Iterable[KeyRange], seconds: float) -> Read:
        assert 0 < seconds < SECONDS, "the answer has one deadline in all"
        (wanted,) = ranges
        if not self.readable:
            raise self.problem
        self.readable -= 1
        self.read_keys.append(wanted.first)
        return Read({key: each for key, each in self.held.items() if key == wanted.first}, 9, 1)


def history(etcd: Etcd) -> History:
    client = cast("EtcdClient", etcd)
    return History(client, KEYS, Plans(client, KEYS))


def test_a_time_is_read_once_and_again_after_another_configuration_took_the_place() -> None:
    etcd = Etcd({AT(each): Entry(applied(each, to_microseconds(FIRST)), each) for each in (1, 2, 3)})
    asked = history(etcd)

    async def scenario() -> None:
        assert await asked.times(range(2, 5), SECONDS) == {2: FIRST, 3: FIRST}
        assert etcd.read_keys == [AT(3), AT(2)]
        etcd.held[AT(3)] = Entry(applied(3, to_microseconds(LATER)), 8)
        assert await asked.times(range(2, 5), SECONDS) == {2: FIRST, 3: LATER}
        assert etcd.read_keys == [AT(3), AT(2), AT(3)]

    asyncio.run(scenario())


def test_times_that_a_slow_etcd_gives_are_kept_and_the_next_call_reads_the_rest_alone() -> None:
    etcd = Etcd({AT(each): Entry(applied(each, to_microseconds(FIRST)), each) for each in range(1, 6)})
    etcd.readable = 2
    asked = history(etcd)

    async def scenario() -> None:
        assert await asked.times(range(1, 6), SECONDS) == {4: FIRST, 5: FIRST}
        assert await asked.times(range(1, 6), SECONDS) == {4: FIRST, 5: FIRST}
        etcd.readable = 3
        assert await asked.times(range(1, 6), SECONDS) == dict.fromkeys(range(1, 6), FIRST)

    asyncio.run(scenario())
    assert etcd.read_keys == [AT(each) for each in (5, 4, 3, 2, 1)]


def test_those_who_compare_other_revisions_in_turn_keep_each_others_times() -> None:
    etcd = Etcd({AT(each): Entry(applied(each, to_microseconds(FIRST)), each) for each in range(1, 101)})
    etcd.readable = 100
    asked = history(etcd)

    async def scenario() -> None:
        for first in (1, 51, 1, 51):
            revisions = range(first, first + 50)
            assert await asked.times(revisions, SECONDS) == dict.fromkeys(revisions, FIRST)

    asyncio.run(scenario())


def test_times_of_long_ago_make_room_and_an_answer_lacks_none_of_them() -> None:
    etcd = Etcd({AT(each): Entry(applied(each, to_microseconds(FIRST)), each) for each in range(1, 2002)})
    etcd.readable = 3000
    asked = history(etcd)

    async def scenario() -> None:
        for revisions in (range(1, 51), range(52, 1002), range(1, 52), range(1002, 2002), range(1, 52)):
            assert await asked.times(revisions, SECONDS) == dict.fromkeys(revisions, FIRST)

    asyncio.run(scenario())
    assert etcd.read_keys.count(AT(51)) == 2


def test_an_etcd_that_was_restored_from_a_backup_tells_no_times() -> None:
    etcd = Etcd({AT(1): Entry(applied(1, to_microseconds(FIRST)), 1)})
    etcd.readable, etcd.problem = 0, Forgotten("it is behind")
    with pytest.raises(Forgotten):
        asyncio.run(history(etcd).times(range(1, 2), SECONDS))


@pytest.mark.parametrize(
    "value", [b"damaged", applied(1, 10**30), applied(1, to_microseconds(datetime.max.replace(tzinfo=UTC)))]
)
def test_a_value_without_a_time_of_the_calendar_has_none(value: bytes) -> None:
    etcd = Etcd({AT(1): Entry(value, 1)})
    assert asyncio.run(history(etcd).times(range(1, 2), SECONDS)) == {}
