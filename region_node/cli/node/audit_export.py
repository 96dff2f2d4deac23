"""The rows about one customer in one period, with the proof of their place in the audit chain.

The export goes from the first row of the period to a head signed by the region and its witnesses. The customer's rows
are in it in full, all others as the digests in their hashes. A reader of the file can compute the chain again, and
learns nothing of anybody else. `deploy/audit/check_export.py` does it.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway.auditing import audit
from gateway.auditing.audit import AuditRow, Head, Walk
from gateway.security.signing import AUDIT_HEAD, Signer
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds
from gateway.values.plain_text import visible
from region_node.cli.node.audit_witnesses import Countersigned

FORMAT = "crossregion-audit-export/1"
_DIGESTS_IN_LINE = 1000


@dataclass(frozen=True)
class Wanted:
    """The selection of an export: the rows about a customer from `start` on, before `end`."""

    federation: str
    region: str
    customer_id: str
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Proof:
    """The signatures of the export's end: the region's key with its certificate (PEM), and its witnesses."""

    signer: Signer
    certificate: bytes
    witnesses: Sequence[Countersigned]


def subjects_of(tx: Transaction, customer_id: str) -> frozenset[str]:
    """The subjects of rows about a customer, also an erased one.

    These are the customer, their lines and accounts, and the orders, complaints and documents of their numbers. A
    purged order is unknown: its rows are in the export as digests.
    """
    found = {customer_id}
    for line in tx.all(
        _Line, "SELECT product_id, account_id, number FROM products WHERE customer_id = :id", id=customer_id
    ):
        found |= {line.product_id, line.account_id}
        found.update(tx.all(str, "SELECT order_id FROM orders WHERE number = :number", number=line.number))
        found.update(tx.all(str, "SELECT ticket_id FROM complaints WHERE number_index = :number", number=line.number))
        files = "SELECT document_id FROM document_files WHERE number_hash = :number"
        found.update(tx.all(str, files, number=line.number))
    found.update(tx.all(str, "SELECT document_id FROM documents WHERE customer_id = :id", id=customer_id))
    return frozenset(found)


def is_known(tx: Transaction, customer_id: str) -> bool:
    """Whether the region has, or had, such a customer."""
    return tx.first(int, "SELECT 1 FROM customers WHERE customer_id = :id", id=customer_id) is not None


@dataclass(frozen=True)
class _Line:
    product_id: str
    account_id: str
    number: str = field(repr=False)


def export(tx: Transaction, wanted: Wanted, proof: Proof) -> Iterator[dict[str, object]]:
    """The lines of the file. Raises ChainBroken where the chain does not verify from the period on."""
    first = tx.first(int, "SELECT MIN(sequence) FROM audit WHERE time >= :start", start=to_microseconds(wanted.start))
    end = audit.head(tx)
    before = _before(tx, first if first is not None else end.sequence + 1)
    yield {
        "format": FORMAT,
        "federation": wanted.federation,
        "region": wanted.region,
        "customer": wanted.customer_id,
        "from": to_microseconds(wanted.start),
        "to": to_microseconds(wanted.end),
        "after": {"sequence": before.sequence, "hash": before.hash.hex()},
    }
    walk = Walk([audit.Seen(f"region/{each.witness}", each.head) for each in proof.witnesses], before)
    yield from _rows(_walked(walk, audit.rows(tx, before.sequence)), wanted, subjects_of(tx, wanted.customer_id))
    # The row that a witness saw may be one of those that are lost: then it proves nothing.
    there = [each for each in proof.witnesses if audit.head_at(tx, each.head.sequence) is not None]
    yield _end(walk.finish(), wanted, replace(proof, witnesses=there), before)


def _before(tx: Transaction, first: int) -> Head:
    return audit.head_at(tx, first - 1) or Head(0, audit.GENESIS)


def _walked(walk: Walk, rows: Iterable[AuditRow]) -> Iterator[AuditRow]:
    for row in rows:
        walk.take(row)
        yield row


def _rows(rows: Iterable[AuditRow], wanted: Wanted, subjects: frozenset[str]) -> Iterator[dict[str, object]]:
    start, end = to_microseconds(wanted.start), to_microseconds(wanted.end)
    digests: list[str] = []
    for row in rows:
        is_theirs = row.subject in subjects or row.subject.startswith(f"{wanted.customer_id} and ")
        # A row that names missing ones is shown, too: without it nobody could count on.
        is_shown = (is_theirs and start <= row.time < end) or row.action == audit.LOSS
        if not is_shown:
            digests.append(row.digest().hex())
        if digests and (is_shown or len(digests) == _DIGESTS_IN_LINE):
            yield {"digests": digests}
            digests = []
        if is_shown:
            yield {"row": _shown(row)}
    if digests:
        yield {"digests": digests}


def _shown(row: AuditRow) -> dict[str, object]:
    return {
        "sequence": row.sequence,
        "time": row.time,
        "actor": row.actor,
        "action": row.action,
        "subject": row.subject,
        "detail": row.detail,
        "salt": row.salt.hex(),
    }


def _end(head: Head, wanted: Wanted, proof: Proof, before: Head) -> dict[str, object]:
    """The signed end. A witness that saw no row of the export proves nothing about it, and is left out."""
    witnesses = [each for each in proof.witnesses if each.head.sequence > before.sequence]
    certificates = {wanted.region: proof.certificate} | {each.witness: each.certificate for each in witnesses}
    return {
        "head": {
            "sequence": head.sequence,
            "hash": head.hash.hex(),
            "signature": _text(proof.signer.sign(AUDIT_HEAD, head.signed_bytes())),
        },
        "witnesses": [
            {
                "witness": each.witness,
                "sequence": each.head.sequence,
                "hash": each.head.hash.hex(),
                "time": each.time,
                "signature": _text(each.signature),
            }
            for each in witnesses
        ],
        "certificates": {region: pem.decode() for region, pem in certificates.items()},
    }


def written(line: dict[str, object]) -> str:
    """A line of the file."""
    return visible(json.dumps(line, ensure_ascii=False)) + "\n"


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
