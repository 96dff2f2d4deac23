"""Stored requests: each is made once, is about one subject, and has one answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.at_rest import envelope_subject
from gateway.store import vault
from gateway.store.port import Transaction
from gateway.store.reading_ahead import Wanted, row_wanted
from gateway.store.tables import Table
from gateway.time.clock import to_microseconds
from gateway.values.requesters import is_same_person

PARAMETERS = "requests"
"""The place of data sealed under the key of the envelopes about a request's subject."""
# Each caller once, by a step in the primary key for each: callers are few, their requests many.
_CALLERS = (
    "WITH RECURSIVE callers (name) AS (SELECT MIN(caller) FROM requests UNION ALL"
    " SELECT (SELECT MIN(caller) FROM requests WHERE caller > name) FROM callers WHERE name IS NOT NULL)"
    " SELECT name FROM callers WHERE name IS NOT NULL"
)


def request_subject(caller: str, request_id: str) -> str:
    """The subject of notifications to other processes about a request."""
    return f"request/{caller}/{request_id}"


@dataclass(frozen=True)
class RequestSettled:
    """Published when the home region has answered a request."""

    caller: str
    request_id: str

    @property
    def about(self) -> str:
        """The subject of notifications to other processes on the same database."""
        return request_subject(self.caller, self.request_id)


@dataclass(frozen=True)
class RequestRow:
    """A stored request. `settled` after the home region's answer; `refused` after its refusal."""

    digest: bytes
    subject: str
    settled: bool
    refused: Refused | None


class _RequestAtRest(NamedTuple):
    caller: str
    request_id: str
    digest: bytes
    order_id: str
    settled: int
    reason: int
    parameters: str
    time: int
    is_sealed: int
    sealed: bytes | None


_REQUESTS = Table(
    "requests",
    _RequestAtRest,
    key=("caller", "request_id"),
    fixed=("digest", "order_id", "parameters", "time", "is_sealed"),
)


def find_request(tx: Transaction, caller: str, request_id: str) -> RequestRow | None:
    """The stored request."""
    row = tx.find(_REQUESTS, caller, request_id)
    return None if row is None else _request_row(tx, row)


def request_wanted(caller: str, request_id: str) -> Wanted:
    """The query of `find_request`, to be announced."""
    return row_wanted(_REQUESTS, caller, request_id)


@dataclass(frozen=True)
class RequestKey:
    """A request: who sent it (operator or staff of this region), its id, and the digest of its content."""

    caller: str
    request_id: str
    digest: bytes

    def is_of(self, tx: Transaction, known: RequestRow) -> bool:
        """Whether a stored request has the same content."""
        return known.digest == keyed_digest(tx, self.digest)


def keyed_digest(tx: Transaction, digest: bytes) -> bytes:
    """A keyed hash of a digest, for storage: the plain digest would let a thief of the database try numbers."""
    return bytes.fromhex(vault.index_of(tx, "request", digest.hex()))


def insert_request(tx: Transaction, key: RequestKey, subject: str, *, settled: bool, now: datetime) -> None:
    """Remembers a request."""
    digest, time = keyed_digest(tx, key.digest), to_microseconds(now)
    tx.insert(
        _REQUESTS, _RequestAtRest(key.caller, key.request_id, digest, subject, int(settled), 0, "", time, 1, None)
    )


def has_requested(tx: Transaction, caller: str, subject: str) -> bool:
    """Whether a caller, however the name was typed, has made a request with this subject that is still stored."""
    sql = "SELECT 1 FROM requests WHERE caller = :caller AND order_id = :subject LIMIT 1"
    same = [each for each in tx.all(str, _CALLERS) if is_same_person(each, caller)]
    return any(tx.first(int, sql, caller=each, subject=subject) is not None for each in same)


def settle_request(tx: Transaction, caller: str, request_id: str, refused: Refused | None) -> None:
    """Remembers the home region's answer to a request."""
    row = tx.find(_REQUESTS, caller, request_id)
    if row is None:
        return
    reason = refused.reason if refused is not None else 0
    sealed = _seal_parameters(tx, row.order_id, json.dumps(refused.parameters)) if refused is not None else None
    tx.update(_REQUESTS, row._replace(settled=1, reason=reason, sealed=sealed))


def _seal_parameters(tx: Transaction, subject: str, parameters: str) -> bytes:
    """Seals the parameters of a refusal, JSON, for their row: they may hold a number, or an address."""
    return vault.seal(tx, envelope_subject(subject), PARAMETERS, parameters.encode())


@dataclass(frozen=True)
class _Clear:
    caller: str
    request_id: str
    digest: bytes
    subject: str
    parameters: str = field(repr=False)


def seal_clear_requests(tx: Transaction, limit: int) -> int:
    """Seals at most so many requests that a version without sealing has written; returns how many."""
    rows = tx.all(
        _Clear,
        "SELECT caller, request_id, digest, order_id, parameters FROM requests WHERE is_sealed = 0"
        " ORDER BY caller, request_id LIMIT :limit",
        limit=limit,
    )
    tx.execute_many(
        "UPDATE requests SET digest = :digest, sealed = :sealed, parameters = '', is_sealed = 1"
        " WHERE caller = :caller AND request_id = :request_id",
        [
            {
                "caller": row.caller,
                "request_id": row.request_id,
                "digest": keyed_digest(tx, row.digest),
                "sealed": _seal_parameters(tx, row.subject, row.parameters) if row.parameters else None,
            }
            for row in rows
        ],
    )
    return len(rows)


def _request_row(tx: Transaction, row: _RequestAtRest) -> RequestRow:
    parameters: Mapping[str, str] = {}
    if row.sealed is not None:
        opened = vault.open_if_kept(tx, envelope_subject(row.order_id), PARAMETERS, row.sealed)
        parameters = json.loads(opened) if opened is not None else {}
    refused = Refused(Reason.ValueType(row.reason), **parameters) if row.reason else None
    return RequestRow(row.digest, row.order_id, bool(row.settled), refused)
