"""Planned outages in etcd: all in one value, so that of two simultaneous decisions the second is made anew."""

from collections.abc import Callable, Sequence
from datetime import datetime

from google.protobuf.message import DecodeError

from coordinator.registry.etcd.changes import Change, Changes, Found, Put
from coordinator.registry.etcd.fields import Unreadable
from coordinator.registry.etcd.keys import Keys
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2 import PlannedOutageHeader, PlannedOutageHeaders

Decide = Callable[[Sequence[PlannedOutageHeader]], Sequence[PlannedOutageHeader] | None]


async def change_planned_outages(changes: Changes, keys: Keys, decide: Decide, now: datetime, seconds: float) -> None:
    """See the port."""
    key = keys.planned_outages

    def change(found: Found) -> Change | None:
        after = decide(read_planned_outages(found[key].value if key in found else None))
        if after is None:
            return None
        return Change({key: Put(PlannedOutageHeaders(planned_outages=after).SerializeToString(deterministic=True))})

    await changes.make([key], change, now, seconds, is_noted=False)


def read_planned_outages(value: bytes | None) -> Sequence[PlannedOutageHeader]:
    """The windows in a value; none for a missing value. Raises Unreadable."""
    try:
        return PlannedOutageHeaders.FromString(value or b"").planned_outages
    except DecodeError as error:
        raise Unreadable("holds no planned outages of this version") from error
