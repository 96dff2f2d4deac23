"""A witness: keeps the furthest head of another region's chain, and the ids of that region's destroyed keys."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from gateway.api.federation.v1.federation_pb2 import AuditHead
from gateway.api.region.v1.audit_service_pb2 import WitnessedHead
from gateway.api.region.v1.witnessing_pb2 import WitnessAnswer, WitnessStatement
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing.audit import GENESIS, Head
from gateway.auditing.audit_heads import Continuation, KeptHead, continuation, dated_bytes
from gateway.auditing.walking import LARGEST_SEQUENCE
from gateway.errors import Refused
from gateway.relay.border import Border
from gateway.security.signing import AUDIT_HEAD, WITNESSED_HEAD
from gateway.store.port import Transaction
from gateway.store.tables import Table
from gateway.time.clock import from_microseconds, to_microseconds, to_timestamp
from region_node.node.witnessing.contradictions import alarm

IDS_AT_ONCE = 1000  # destroyed keys in one statement or answer: far below the limit of an envelope
_ID_LENGTH = 64


class _Row(NamedTuple):
    """The furthest head of a region's chain, told at a time in microseconds; was it contradicted since?"""

    region: str
    sequence: int
    hash: bytes
    signature: bytes
    told: int
    contradicted: int

    @property
    def kept(self) -> KeptHead:
        """The head with the time of the statement."""
        return KeptHead(Head(self.sequence, self.hash), self.signature, from_microseconds(self.told))


_HEADS = Table("witnessed_heads", _Row, key=("region",))


def keep(tx: Transaction, border: Border, region: str, statement: WitnessStatement, now: datetime) -> WitnessAnswer:
    """Stores a region's statement about its chain, unless it contradicts the kept head; returns the kept head.

    The first contradiction of a head is a row in this region's own chain and an error in the log. A statement without a
    head is only a query. Raises Refused with ENVELOPE_INVALID for a statement that the region has not signed.
    """
    before, was_contradicted = _kept(tx, region)
    if not statement.HasField("head"):
        return _answer(tx, border, region, before, statement.heard, contradicted=was_contradicted)
    told = _verified(border, region, statement, now)
    contradicted = before is not None and (
        continuation(before, told) is Continuation.CONTRADICTING or _differs(before, statement.known)
    )
    kept = told if before is None or (not contradicted and _replaces(border, region, before, told)) else before
    _store(tx, region, kept, contradicted=contradicted or was_contradicted)
    if contradicted and not was_contradicted and before is not None:
        alarm(tx, f"region/{region}", before, told)
    _keep_erasures(tx, region, statement.destroyed_key_ids)
    return _answer(tx, border, region, kept, statement.heard, contradicted=contradicted or was_contradicted)


def _answer(
    tx: Transaction, border: Border, region: str, kept: KeptHead | None, heard: int, *, contradicted: bool
) -> WitnessAnswer:
    answer = WitnessAnswer(
        contradicted=contradicted,
        destroyed_key_ids=_erasures(tx, region, min(heard, LARGEST_SEQUENCE)),
        held=_held(tx, region),
    )
    if kept is not None:
        answer.kept.CopyFrom(_message(kept))
        answer.tell_time.CopyFrom(to_timestamp(kept.time))
        answer.signature = border.signer.sign(WITNESSED_HEAD, dated_bytes(region, kept.head, kept.time))
    return answer


def witnessed_heads(tx: Transaction) -> list[WitnessedHead]:
    """All heads that this region keeps as a witness, by region."""
    rows = tx.all(_Row, f"SELECT {', '.join(_HEADS.columns)} FROM {_HEADS.name} ORDER BY region")  # noqa: S608
    return [
        WitnessedHead(
            region=row.region,
            head=_message(row.kept),
            time=to_timestamp(row.kept.time),
            contradicted=bool(row.contradicted),
        )
        for row in rows
    ]


def _verified(border: Border, region: str, statement: WitnessStatement, now: datetime) -> KeptHead:
    told = statement.head
    if (
        len(told.hash) != len(GENESIS)
        or max(told.sequence, statement.known.sequence, statement.heard) > LARGEST_SEQUENCE
    ):
        raise _invalid("not a sequence number with a SHA-256 hash")
    if len(statement.destroyed_key_ids) > IDS_AT_ONCE or any(
        not 0 < len(key_id) <= _ID_LENGTH or "\0" in key_id for key_id in statement.destroyed_key_ids
    ):
        raise _invalid("more ids of keys than fit, or none of an id's form")
    head = Head(told.sequence, told.hash)
    if not border.keys.verify(region, AUDIT_HEAD, head.signed_bytes(), told.signature):
        raise _invalid("the audit head is not signed by the region")
    return KeptHead(head, told.signature, now)


def _invalid(problem: str) -> Refused:
    return Refused(Reason.REASON_ENVELOPE_INVALID, problem=problem)


def _replaces(border: Border, region: str, before: KeptHead, told: KeptHead) -> bool:
    """Whether a head is further than the kept one, or the same one anew after the key of the first has been revoked."""
    if told.head == before.head:
        return not border.keys.verify(region, AUDIT_HEAD, before.head.signed_bytes(), before.signature)
    return told.head.sequence > before.head.sequence


def _differs(before: KeptHead, known: AuditHead) -> bool:
    """Whether the chain has another row in the place of the kept one: it was rewritten and grew again."""
    return 0 < known.sequence == before.head.sequence and known.hash != before.head.hash


def _kept(tx: Transaction, region: str) -> tuple[KeptHead | None, bool]:
    row = tx.find(_HEADS, region)
    return (None, False) if row is None else (row.kept, bool(row.contradicted))


def _store(tx: Transaction, region: str, kept: KeptHead, *, contradicted: bool) -> None:
    told = to_microseconds(kept.time)
    tx.keep(_HEADS, _Row(region, kept.head.sequence, kept.head.hash, kept.signature, told, int(contradicted)))


def _keep_erasures(tx: Transaction, region: str, key_ids: Sequence[str]) -> None:
    for key_id in key_ids:
        tx.execute(
            "INSERT INTO witnessed_erasures (region, number, key_id)"
            " SELECT :region, COALESCE(MAX(number), 0) + 1, :key_id FROM witnessed_erasures WHERE region = :region"
            " ON CONFLICT (region, key_id) DO NOTHING",
            region=region,
            key_id=key_id,
        )


def _erasures(tx: Transaction, region: str, after: int) -> list[str]:
    return tx.all(
        str,
        "SELECT key_id FROM witnessed_erasures WHERE region = :region AND number > :after ORDER BY number LIMIT :limit",
        region=region,
        after=after,
        limit=IDS_AT_ONCE,
    )


def _held(tx: Transaction, region: str) -> int:
    return (
        tx.first(int, "SELECT COALESCE(MAX(number), 0) FROM witnessed_erasures WHERE region = :region", region=region)
        or 0
    )


def _message(kept: KeptHead) -> AuditHead:
    return AuditHead(sequence=kept.head.sequence, hash=kept.head.hash, signature=kept.signature)
