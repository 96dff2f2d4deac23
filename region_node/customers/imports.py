"""Files of customers that a region takes over: each piece one transaction, with how far the node has come.

A file is known by the hash of its content and of its map. What was done with it stays known, so that a piece whose
answer was lost is recognised, and whoever begins again goes on after the last line that is done.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from gateway import vault
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.clock import to_microseconds
from gateway.errors import Refused
from gateway.store.port import Transaction
from region_node.auditing import AuditedCall
from region_node.customers.operations import take_over
from region_node.customers.taking_over import NewCustomer, Registered
from region_node.subjects import number_subject

FIRST_LINE = 2  # the first line of data: the header is line 1
PIECE_LIMIT = 500  # lines in one message
_SHOWN_OF_HASH = 16  # characters in an audit row


@dataclass(frozen=True)
class Progress:
    """How far a file is: the last line that is done, and the counts of its lines so far."""

    last_line: int = 0
    created: int = 0
    existing: int = 0
    rejected: int = 0

    def followed_by(self, piece: "Progress") -> "Progress":
        """The progress after a piece, given that of the piece alone."""
        return Progress(
            piece.last_line,
            self.created + piece.created,
            self.existing + piece.existing,
            self.rejected + piece.rejected,
        )


@dataclass(frozen=True)
class Rejection:
    """A line that was not taken: its number, the reason and the parameters of the reason's text."""

    number: int
    reason: Reason.ValueType
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Candidate:
    """A line of a file: the customer that it describes, or why it describes none."""

    number: int
    customer: NewCustomer | Refused


@dataclass(frozen=True)
class Done:
    """What became of a piece: how the file stands after it, and the piece's lines that were not taken."""

    progress: Progress
    rejections: Sequence[Rejection]


def progress_of(tx: Transaction, sha256: bytes) -> Progress:
    """How far a file is."""
    sql = "SELECT last_line, created, existing, rejected FROM imports WHERE sha256 = :sha256"
    return tx.first(Progress, sql, sha256=sha256) or Progress()


def rejections_between(tx: Transaction, sha256: bytes, first: int, last: int) -> list[Rejection]:
    """The lines of a file from `first` to `last` that were not taken, by number, as many as a message holds."""
    rows = tx.all(
        _AtRest,
        "SELECT number, reason, subject, sealed FROM import_rejections"
        " WHERE sha256 = :sha256 AND number >= :first AND number <= :last ORDER BY number LIMIT :limit",
        sha256=sha256,
        first=first,
        last=last,
        limit=PIECE_LIMIT,
    )
    opened = vault.open_many(tx, [vault.Sealing(row.subject, _place(sha256, row.number), row.sealed) for row in rows])
    return [_rejection(row, parameters) for row, parameters in zip(rows, opened, strict=True)]


def take(
    tx: Transaction, sha256: bytes, lines: int, piece: Sequence[Candidate], currency: str, asked: AuditedCall
) -> Done:
    """Takes over the lines of a piece, which follow each other, of a file with so many `lines` of data.

    A piece that is done already changes nothing and is answered with what became of it. Raises Refused with
    IMPORT_OUT_OF_ORDER where the piece does not continue what is done.
    """
    before = progress_of(tx, sha256)
    first, last = piece[0].number, piece[-1].number
    if last <= before.last_line:
        return Done(before, rejections_between(tx, sha256, first, last))
    require_next(piece, max(before.last_line + 1, FIRST_LINE))
    new, rejections = _sorted_out(tx, piece)
    take_over(tx, new, currency, asked.now)
    of_piece = _progress(piece, new, rejections)
    progress = before.followed_by(of_piece)
    _keep(tx, sha256, lines, progress, asked)
    _keep_rejections(tx, sha256, rejections)
    counts = f"{len(new)} new, {of_piece.existing} there, {len(rejections)} rejected"
    asked.record(tx, "ImportCustomers", f"{sha256.hex()[:_SHOWN_OF_HASH]} lines {first} to {last}", counts)
    return Done(progress, rejections)


def check(tx: Transaction, piece: Sequence[Candidate]) -> Done:
    """What would become of a piece, with the progress of it alone; changes nothing.

    A line is compared with what is stored and with the lines of its own piece.
    """
    new, rejections = _sorted_out(tx, piece)
    return Done(_progress(piece, new, rejections), rejections)


def require_next(piece: Sequence[Candidate], expected: int) -> None:
    """Raises Refused with IMPORT_OUT_OF_ORDER unless the lines of a piece are numbered one by one from `expected`."""
    for number, each in enumerate(piece, expected):
        if each.number != number:
            raise Refused(Reason.REASON_IMPORT_OUT_OF_ORDER, expected=str(number), line=str(each.number))


def _sorted_out(tx: Transaction, piece: Sequence[Candidate]) -> tuple[list[NewCustomer], list[Rejection]]:
    """The customers of a piece that are new, and the lines that cannot be taken."""
    registered = Registered(tx, [each.customer for each in piece if isinstance(each.customer, NewCustomer)])
    new: list[NewCustomer] = []
    rejections: list[Rejection] = []
    for each in piece:
        try:
            if isinstance(each.customer, Refused):
                raise each.customer
            if registered.admits(each.customer):
                new.append(each.customer)
        except Refused as refused:
            rejections.append(Rejection(each.number, refused.reason, refused.parameters))
    return new, rejections


def _progress(piece: Sequence[Candidate], new: Sequence[NewCustomer], rejections: Sequence[Rejection]) -> Progress:
    return Progress(piece[-1].number, len(new), len(piece) - len(new) - len(rejections), len(rejections))


def _keep(tx: Transaction, sha256: bytes, lines: int, progress: Progress, asked: AuditedCall) -> None:
    changed = tx.execute(
        "UPDATE imports SET last_line = :last_line, created = :created, existing = :existing, rejected = :rejected,"
        " time = :time WHERE sha256 = :sha256",
        sha256=sha256,
        time=to_microseconds(asked.now),
        **vars(progress),
    )
    if not changed:
        tx.execute(
            "INSERT INTO imports (sha256, lines, last_line, created, existing, rejected, time)"
            " VALUES (:sha256, :lines, :last_line, :created, :existing, :rejected, :time)",
            sha256=sha256,
            lines=lines,
            time=to_microseconds(asked.now),
            **vars(progress),
        )


def _keep_rejections(tx: Transaction, sha256: bytes, rejections: Sequence[Rejection]) -> None:
    parameters = [json.dumps(each.parameters, ensure_ascii=False) for each in rejections]
    sealings = [
        rejection_sealing(tx, sha256, each.number, told) for each, told in zip(rejections, parameters, strict=True)
    ]
    sealed = vault.seal_many(tx, sealings)
    tx.execute_many(
        "INSERT INTO import_rejections (sha256, number, reason, parameters, subject, sealed)"
        " VALUES (:sha256, :number, :reason, '', :subject, :sealed)",
        [
            {
                "sha256": sha256,
                "number": each.number,
                "reason": each.reason,
                "subject": sealing.subject,
                "sealed": content,
            }
            for each, sealing, content in zip(rejections, sealings, sealed, strict=True)
        ],
    )


def rejection_sealing(tx: Transaction, sha256: bytes, line: int, parameters: str) -> vault.Sealing:
    """What is sealed of a line that was not taken: under the number that its parameters tell, else under the file."""
    number = json.loads(parameters).get("number", "")
    subject = number_subject(tx, number) if number else f"import/{sha256.hex()}"
    return vault.Sealing(subject, _place(sha256, line), parameters.encode())


@dataclass(frozen=True)
class _AtRest:
    number: int
    reason: Reason.ValueType
    subject: str
    sealed: bytes


def _place(sha256: bytes, line: int) -> str:
    return f"import_rejections/{sha256.hex()}/{line}"


def _rejection(row: _AtRest, parameters: bytes | None) -> Rejection:
    """The parameters are empty where the number that they told was erased."""
    return Rejection(row.number, row.reason, cast("dict[str, str]", json.loads(parameters or b"{}")))
