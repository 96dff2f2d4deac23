"""Cases in etcd: a key each, below `cases/`. No coordinator keeps a copy of them: there may be many."""

from collections.abc import Sequence
from datetime import datetime

from coordinator.registry.etcd import values
from coordinator.registry.etcd.changes import Change, Changes, Found, Put
from coordinator.registry.etcd.copy import Entry
from coordinator.registry.etcd.keys import Keys
from gateway.api.region.v1.case_service_pb2 import CaseHeader
from gateway.time.clock import from_timestamp


class EtcdCases:
    """See the port."""

    def __init__(self, changes: Changes, keys: Keys) -> None:
        self._changes = changes
        self._keys = keys

    async def keep(self, header: CaseHeader, now: datetime, seconds: float) -> None:
        """Stores the header of a case, unless a version as high is stored."""
        key = self._keys.case(header.ticket_id)

        def decide(found: Found) -> Change | None:
            if key in found and values.decode_case(found[key].value).version >= header.version:
                return None
            return Change({key: Put(values.encode_case(header))})

        await self._changes.make([key], decide, now, seconds, is_noted=False)

    async def forget(self, ended: Sequence[CaseHeader], before: datetime, now: datetime, seconds: float) -> None:
        """Removes those of these cases whose stored header ended before an instant."""
        for each in ended:
            key = self._keys.case(each.ticket_id)

            def decide(found: Found, key: bytes = key) -> Change | None:
                is_past = key in found and has_ended(values.decode_case(found[key].value), before)
                return Change(deletes=[key]) if is_past else None

            await self._changes.make([key], decide, now, seconds, is_noted=False)


def read_cases(entries: dict[bytes, Entry]) -> list[CaseHeader]:
    """The cases in etcd's entries, by ticket id. Raises Unreadable."""
    return [values.decode_case(entries[key].value) for key in sorted(entries)]


def has_ended(header: CaseHeader, before: datetime) -> bool:
    """Whether a case ended before an instant."""
    return header.HasField("end_time") and from_timestamp(header.end_time) < before
