"""The progress of a file: each piece is one transaction, with accepted and rejected lines.

The hash of its content and of its map identifies a file. The progress is stored. So a piece whose response was lost is
recognised, and a restart continues after the last finished line.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

from gateway.api.region.v1.customer_service_pb2 import ImportFile
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store import vault
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds
from region_node.node.subjects import import_subject, indexed_number_subject, number_subject
from region_node.requests.auditing import AuditedCall

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
    """A rejected line: its number, the reason and the parameters of the reason's text.

    `about` is the subscriber's number of the line, in E.164, if it has one.
    """

    number: int
    reason: Reason.ValueType
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    about: str = field(default="", repr=False)


class Numbered(Protocol):
    """A line of a file."""

    @property
    def number(self) -> int:
        """The number of the line; the first line of data is FIRST_LINE."""
        ...


@dataclass(frozen=True)
class Taken:
    """The results of a piece's lines; lines in none of the lists existed before."""

    created: int
    rejections: Sequence[Rejection]

    def progress(self, piece: Sequence[Numbered]) -> Progress:
        """The progress of the piece alone."""
        existing = len(piece) - self.created - len(self.rejections)
        return Progress(piece[-1].number, self.created, existing, len(self.rejections))


@dataclass(frozen=True)
class Done:
    """The result of a piece: the progress of the file, and the rejected lines of the piece."""

    progress: Progress
    rejections: Sequence[Rejection]


def progress_of(tx: Transaction, sha256: bytes) -> Progress:
    """How far a file is."""
    sql = "SELECT last_line, created, existing, rejected FROM imports WHERE sha256 = :sha256"
    return tx.first(Progress, sql, sha256=sha256) or Progress()


def rejections_between(tx: Transaction, sha256: bytes, first: int, last: int) -> list[Rejection]:
    """The rejected lines of a file from `first` to `last`, by number, as many as a message holds."""
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


def take_once(
    tx: Transaction,
    file: ImportFile,
    piece: Sequence[Numbered],
    action: str,
    asked: AuditedCall,
    take: Callable[[], Taken],
) -> Done:
    """Imports the consecutive lines of a piece, and stores the progress of the file.

    A piece that is already done changes nothing and returns its former result. Raises Refused with IMPORT_OUT_OF_ORDER
    where the piece does not continue the file. `action` is the action in the audit chain.
    """
    sha256 = file.sha256
    before = progress_of(tx, sha256)
    first, last = piece[0].number, piece[-1].number
    if last <= before.last_line:
        return Done(before, rejections_between(tx, sha256, first, last))
    require_next(piece, max(before.last_line + 1, FIRST_LINE))
    taken = take()
    of_piece = taken.progress(piece)
    progress = before.followed_by(of_piece)
    _keep(tx, file, progress, asked)
    _keep_rejections(tx, sha256, taken.rejections)
    counts = f"{of_piece.created} new, {of_piece.existing} there, {of_piece.rejected} rejected"
    asked.record(tx, action, f"{sha256.hex()[:_SHOWN_OF_HASH]} lines {first} to {last}", counts)
    return Done(progress, taken.rejections)


def require_next(piece: Sequence[Numbered], expected: int) -> None:
    """Raises Refused with IMPORT_OUT_OF_ORDER unless the lines of a piece are numbered one by one from `expected`."""
    for number, each in enumerate(piece, expected):
        if each.number != number:
            raise Refused(Reason.REASON_IMPORT_OUT_OF_ORDER, expected=str(number), line=str(each.number))


def _keep(tx: Transaction, file: ImportFile, progress: Progress, asked: AuditedCall) -> None:
    changed = tx.execute(
        "UPDATE imports SET last_line = :last_line, created = :created, existing = :existing, rejected = :rejected,"
        " time = :time WHERE sha256 = :sha256",
        sha256=file.sha256,
        time=to_microseconds(asked.now),
        **vars(progress),
    )
    if not changed:
        tx.execute(
            "INSERT INTO imports (sha256, lines, last_line, created, existing, rejected, time)"
            " VALUES (:sha256, :lines, :last_line, :created, :existing, :rejected, :time)",
            sha256=file.sha256,
            lines=file.lines,
            time=to_microseconds(asked.now),
            **vars(progress),
        )


def _keep_rejections(tx: Transaction, sha256: bytes, rejections: Sequence[Rejection]) -> None:
    parameters = [json.dumps(each.parameters, ensure_ascii=False) for each in rejections]
    sealings = [
        _rejection_sealing(tx, sha256, each.number, told, each.about)
        for each, told in zip(rejections, parameters, strict=True)
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


@dataclass(frozen=True)
class _Clear:
    sha256: bytes
    number: int
    parameters: str = field(repr=False)


def seal_clear_rejections(tx: Transaction, limit: int) -> int:
    """Seals at most so many rejected lines that a version without sealing has written; returns how many."""
    rows = tx.all(
        _Clear,
        "SELECT sha256, number, parameters FROM import_rejections WHERE sealed IS NULL"
        " ORDER BY sha256, number LIMIT :limit",
        limit=limit,
    )
    sealings = [_rejection_sealing(tx, row.sha256, row.number, row.parameters) for row in rows]
    sealed = vault.seal_many(tx, sealings)
    tx.execute_many(
        "UPDATE import_rejections SET parameters = '', subject = :subject, sealed = :sealed"
        " WHERE sha256 = :sha256 AND number = :number",
        [
            {"sha256": row.sha256, "number": row.number, "subject": sealing.subject, "sealed": content}
            for row, sealing, content in zip(rows, sealings, sealed, strict=True)
        ],
    )
    return len(rows)


def _rejection_sealing(tx: Transaction, sha256: bytes, line: int, parameters: str, about: str = "") -> vault.Sealing:
    """The sealed part of a rejected line: under its own number, else the number in its parameters, else the file."""
    number = about or json.loads(parameters).get("number", "")
    subject = number_subject(tx, number) if number else import_subject(sha256)
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
    """The rejection, with empty parameters after the erasure of its number."""
    return Rejection(row.number, row.reason, cast("dict[str, str]", json.loads(parameters or b"{}")))


def forget_rejections(tx: Transaction, index: str) -> None:
    """Removes the index of a number from rejected lines, so that it no longer finds them."""
    tx.execute(
        "UPDATE import_rejections SET subject = '' WHERE subject = :subject", subject=indexed_number_subject(index)
    )
