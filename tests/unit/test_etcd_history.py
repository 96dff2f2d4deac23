"""When configurations in etcd came into force: read beside each of them, once, and unknown for a damaged one."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from etcd3.etcdrpc import rpc_pb2

from coordinator.registry.etcd import values
from coordinator.registry.etcd.client import EtcdClient, Read
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


def applied(revision: int, time: int) -> bytes:
    """The value of a configuration with a time in microseconds."""
    return values.encode_packed(revision, Packed(b"content"), "admin/root", time)


class Etcd:
    """The values of etcd, each with its revision, and the keys of those that were read."""

    def __init__(self, held: dict[bytes, Entry]) -> None:
        self.held = held
        self.read_keys = list[bytes]()

    async def call(self, _: object, request: rpc_pb2.RangeRequest, seconds: float) -> rpc_pb2.RangeResponse:
        assert (request.keys_only, seconds) == (True, 1.0)
        found = rpc_pb2.RangeResponse()
        for key, entry in self.held.items():
            if request.key <= key < request.range_end:
                found.kvs.add(key=key, mod_revision=entry.revision)
        return found

    async def read(self, ranges: Iterable[KeyRange], seconds: float) -> Read:
        assert seconds == 1.0
        (wanted,) = ranges
        self.read_keys.append(wanted.first)
        return Read({key: each for key, each in self.held.items() if key == wanted.first}, 9, 1)


def history(etcd: Etcd) -> History:
    client = cast("EtcdClient", etcd)
    return History(client, KEYS, Plans(client, KEYS))


def test_a_time_is_read_once_and_again_after_another_configuration_took_the_place() -> None:
    etcd = Etcd({AT(each): Entry(applied(each, to_microseconds(FIRST)), each) for each in (1, 2, 3)})
    asked = history(etcd)

    async def scenario() -> None:
        assert await asked.times(range(2, 5), 1.0) == {2: FIRST, 3: FIRST}
        assert etcd.read_keys == [AT(2), AT(3)]
        etcd.held[AT(3)] = Entry(applied(3, to_microseconds(LATER)), 8)
        assert await asked.times(range(2, 5), 1.0) == {2: FIRST, 3: LATER}
        assert etcd.read_keys == [AT(2), AT(3), AT(3)]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "value", [b"damaged", applied(1, 10**30), applied(1, to_microseconds(datetime.max.replace(tzinfo=UTC)))]
)
def test_a_value_without_a_time_of_the_calendar_has_none(value: bytes) -> None:
    etcd = Etcd({AT(1): Entry(value, 1)})
    assert asyncio.run(history(etcd).times(range(1, 2), 1.0)) == {}
