"""Records in etcd: a key each, below the prefix of their kind. A change compares the key of its record."""

from collections.abc import Sequence
from typing import Generic

from coordinator.registry.etcd import values
from coordinator.registry.etcd.changes import Change, Found, Noted, Put
from coordinator.registry.etcd.keys import KeyRange
from coordinator.registry.etcd.problems import ProblemPorts, readable
from coordinator.registry.problem_port import Administered
from coordinator.registry.record_port import DecideRecord, M

RISKS, ENROLMENTS, RENEWALS = "risks", "enrolments", "renewals"


class EtcdRecords(Generic[M]):
    """See the port."""

    def __init__(self, ports: ProblemPorts, prefix: str, kind: type[M]) -> None:
        self._ports = ports
        self._prefix = prefix
        self._kind = kind

    async def all(self) -> Sequence[M]:
        """See the port."""
        found = (await self._ports.read([self._ports.keys.records(self._prefix)])).entries
        return [self._decoded(found[key].value) for key in sorted(found)]

    async def find(self, record_id: str) -> M | None:
        """See the port."""
        key = self._key(record_id)
        entry = (await self._ports.read([KeyRange(key, key + b"\0")])).entries.get(key)
        return self._decoded(entry.value) if entry is not None else None

    async def change(self, record_id: str, decide: DecideRecord[M], by: Administered | None = None) -> M | None:
        """See the port."""
        key = self._key(record_id)
        noted = Noted(by.actor, by.action, by.subject, by.detail) if by is not None else None
        stored: M | None = None

        def change(found: Found) -> Change | None:
            nonlocal stored
            before = self._decoded(found[key].value) if key in found else None
            after = decide(before)
            stored = after if after is not None else before
            return (
                Change({key: Put(values.encode_record(record_id, after))}, noted=noted) if after is not None else None
            )

        await self._ports.make([key], change, is_noted=noted is not None)
        return stored

    async def remove(self, record_id: str) -> None:
        """See the port."""
        key = self._key(record_id)
        await self._ports.make([key], lambda found: Change(deletes=[key]) if key in found else None)

    def _key(self, record_id: str) -> bytes:
        return self._ports.keys.record(self._prefix, record_id)

    def _decoded(self, value: bytes) -> M:
        """The record of a value. Raises Refused with REGISTRY_UNAVAILABLE for a value of a later version."""
        with readable():
            return values.decode_record(value, self._kind)
