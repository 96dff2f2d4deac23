"""Planned outages in etcd: all in one value, so that of two simultaneous decisions the second is made anew."""

from collections.abc import Callable, Sequence
from datetime import datetime

from google.protobuf.message import DecodeError

from coordinator.registry.etcd import values
from coordinator.registry.etcd.changes import Change, Changes, Found, Put
from coordinator.registry.etcd.keys import Keys
from gateway.api.coordinator.v1.planned_outage_service_pb2 import PlannedWindow, PlannedWindows

Decide = Callable[[Sequence[PlannedWindow]], Sequence[PlannedWindow] | None]


async def change_planned_windows(changes: Changes, keys: Keys, decide: Decide, now: datetime, seconds: float) -> None:
    """See the port."""
    key = keys.planned_windows

    def change(found: Found) -> Change | None:
        after = decide(read_planned_windows(found[key].value if key in found else None))
        if after is None:
            return None
        return Change({key: Put(PlannedWindows(windows=after).SerializeToString(deterministic=True))})

    await changes.make([key], change, now, seconds, is_noted=False)


def read_planned_windows(value: bytes | None) -> Sequence[PlannedWindow]:
    """The windows in a value; none for a missing value. Raises Unreadable."""
    try:
        return PlannedWindows.FromString(value or b"").windows
    except DecodeError as error:
        raise values.Unreadable("holds no planned outages of this version") from error
