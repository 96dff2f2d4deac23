"""Changes of the registry: one transaction of etcd each, together with its row in the audit chain.

A transaction compares the keys of its decision and the head of the chain. Of two simultaneous ones, the second is
decided anew. The chain shows the outcome of a transaction whose response was lost: its row would carry its id. While
that row is missing, the same comparison lets at most one of the attempts succeed.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from etcd3.etcdrpc import rpc_pb2

from coordinator.registry.etcd import values
from coordinator.registry.etcd.client import (
    ATTEMPT_SECONDS,
    CALL_SECONDS,
    PAUSE_SECONDS,
    SHORTEST_ATTEMPT_SECONDS,
    TRANSACTION,
    EtcdClient,
    Forgotten,
    Read,
    Rejected,
    Unanswered,
)
from coordinator.registry.etcd.copy import Entry
from coordinator.registry.etcd.fields import Unreadable
from coordinator.registry.etcd.keys import KeyRange, Keys
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing.audit import GENESIS, AuditRow, Head
from gateway.errors import Refused
from gateway.time.clock import to_microseconds

_log = logging.getLogger(__name__)

Found = Mapping[bytes, Entry]


@dataclass(frozen=True)
class Put:
    """A value for a key, which vanishes with a lease where one is given."""

    value: bytes
    lease: int = 0


@dataclass(frozen=True)
class Noted:
    """The audit row of a change."""

    actor: str
    action: str
    subject: str
    detail: str = ""


@dataclass(frozen=True)
class Change:
    """The writes of one transaction."""

    puts: Mapping[bytes, Put] = field(default_factory=dict)
    deletes: Sequence[bytes] = ()
    noted: Noted | None = None
    """None for a change without an audit row."""


class Followed(Protocol):
    """etcd as far as it is known here."""

    @property
    def revision(self) -> int:
        """The newest revision that is known."""
        ...

    def require_onward(self, revision: int, seen: int) -> None:
        """Raises Forgotten where etcd is behind a revision seen before, from then on for good."""
        ...


class Changes:
    """Makes changes, one caller beside the other, in an etcd that has forgotten nothing."""

    def __init__(self, client: EtcdClient, keys: Keys, followed: Followed) -> None:
        self._client = client
        self._keys = keys
        self._followed = followed
        # Each change extends the chain: of simultaneous ones only one could succeed.
        self._turn = asyncio.Lock()

    async def make(
        self,
        keys: Sequence[bytes],
        decide: Callable[[Found], Change | None],
        now: datetime,
        seconds: float = CALL_SECONDS,
        *,
        is_noted: bool = True,
    ) -> int:
        """Makes the change that `decide` returns for the values at these keys; None changes nothing.

        Returns the revision of the result: that of the change, or of the newest of the keys. `decide` is called again
        after another writer's change. `seconds` bounds the time; `is_noted` adds an audit row. Raises the exceptions of
        `decide`. Raises Refused with REGISTRY_UNAVAILABLE where nothing was changed, and with OUTCOME_UNKNOWN where the
        outcome could not be determined.
        """
        end = asyncio.get_running_loop().time() + seconds
        if not is_noted:
            return await self._make(keys, decide, now, end)
        try:
            async with asyncio.timeout(seconds):
                await self._turn.acquire()
        except TimeoutError:
            raise Refused(Reason.REASON_REGISTRY_UNAVAILABLE) from None
        try:
            return await self._make(keys, decide, now, end)
        finally:
            self._turn.release()

    async def _make(
        self, keys: Sequence[bytes], decide: Callable[[Found], Change | None], now: datetime, end: float
    ) -> int:
        loop, attempt = asyncio.get_running_loop(), _Attempt(self._keys, str(uuid.uuid4()), now)
        while True:
            seen = self._followed.revision
            try:
                read = await self._read(keys, attempt, end - loop.time())
                self._followed.require_onward(read.revision, seen)
                if (revision := attempt.done_at(read)) is not None:
                    return revision
                change = decide({key: read.entries[key] for key in keys if key in read.entries})
                if change is None:
                    return max((read.entries[key].revision for key in keys if key in read.entries), default=0)
                response = await self._send(attempt, attempt.transaction(keys, read, change), end - loop.time())
                if response.succeeded:
                    attempt.may_be_made = True
                    self._followed.require_onward(response.header.revision, seen)
                    return response.header.revision
            except (Rejected, Unreadable, Forgotten) as error:
                _log.error("a change of the registry cannot be made: %s", error)
                raise _refusal(attempt, error) from None
            except Unanswered as error:
                if end - loop.time() < PAUSE_SECONDS + SHORTEST_ATTEMPT_SECONDS:  # then no call waits before it fails
                    raise _refusal(attempt, error) from None

    async def _send(self, attempt: "_Attempt", request: rpc_pb2.TxnRequest, seconds: float) -> rpc_pb2.TxnResponse:
        if seconds < SHORTEST_ATTEMPT_SECONDS:
            raise Unanswered("no time is left")  # of an attempt that was not made, the outcome is known
        try:
            return await self._client.once(TRANSACTION, request, min(ATTEMPT_SECONDS, seconds))
        except Unanswered:
            attempt.may_be_made = True
            raise

    async def _read(self, keys: Sequence[bytes], attempt: "_Attempt", seconds: float) -> Read:
        singles = {*keys, self._keys.audit_head, *attempt.rows}
        return await self._client.read([KeyRange(key, key + b"\0") for key in sorted(singles)], seconds)


class _Attempt:
    """A change through all its attempts."""

    def __init__(self, keys: Keys, change_id: str, now: datetime) -> None:
        self._keys = keys
        self._change_id = change_id
        self._now = to_microseconds(now)
        self._row: bytes | None = None
        self.may_be_made = False

    @property
    def rows(self) -> Sequence[bytes]:
        """The key of the row that an attempt may have written."""
        return () if self._row is None else (self._row,)

    def done_at(self, read: Read) -> int | None:
        """The revision at which an earlier attempt was made after all; None where none was, up to this reading."""
        entry = read.entries.get(self._row) if self._row is not None else None
        if entry is None:
            return None
        if values.decode_row(entry.value).change_id == self._change_id:
            return entry.revision
        # Another writer's row is there: the head has moved on, and no earlier attempt can succeed any more.
        self._row, self.may_be_made = None, False
        return None

    def transaction(self, keys: Sequence[bytes], read: Read, change: Change) -> rpc_pb2.TxnRequest:
        compared = {key: read.entries[key].revision if key in read.entries else 0 for key in keys}
        puts = dict(change.puts)
        if change.noted is not None:
            entry = read.entries.get(self._keys.audit_head)
            head = values.decode_head(entry.value) if entry is not None else Head(0, GENESIS)
            compared[self._keys.audit_head] = entry.revision if entry is not None else 0
            row = self._next_row(head, change.noted)
            self._row = self._keys.audit_row(row.sequence)
            puts[self._row] = Put(values.encode_row(values.Written(row, self._change_id)))
            puts[self._keys.audit_head] = Put(values.encode_head(Head(row.sequence, row.hash)))
        return rpc_pb2.TxnRequest(
            compare=[_unchanged(key, revision) for key, revision in compared.items()],
            success=[
                *(rpc_pb2.RequestOp(request_put=_put(key, put)) for key, put in puts.items()),
                *(
                    rpc_pb2.RequestOp(request_delete_range=rpc_pb2.DeleteRangeRequest(key=key))
                    for key in change.deletes
                ),
            ],
        )

    def _next_row(self, head: Head, noted: Noted) -> AuditRow:
        row = AuditRow(head.sequence + 1, self._now, noted.actor, noted.action, noted.subject, noted.detail, b"")
        return AuditRow(
            row.sequence, row.time, row.actor, row.action, row.subject, row.detail, row.expected_hash(head.hash)
        )


def _refusal(attempt: _Attempt, error: Exception) -> Refused:
    """The refusal of an attempt that cannot continue: after a lost response the outcome is unknown."""
    if attempt.may_be_made:
        _log.warning("what became of a change is not known: %s", error)
        return Refused(Reason.REASON_OUTCOME_UNKNOWN)
    return Refused(Reason.REASON_REGISTRY_UNAVAILABLE)


def _unchanged(key: bytes, revision: int) -> rpc_pb2.Compare:
    return rpc_pb2.Compare(result=rpc_pb2.Compare.EQUAL, target=rpc_pb2.Compare.MOD, key=key, mod_revision=revision)


def _put(key: bytes, put: Put) -> rpc_pb2.PutRequest:
    return rpc_pb2.PutRequest(key=key, value=put.value, lease=put.lease)
