"""Rows of the region's own audit chain by filters, the newest or the oldest first.

No index serves the filters: each would cost every order a write. A read looks at a window of rows instead, whatever
they hold, and a page at a limited number of windows. The next page continues from there.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from gateway.api.region.v1 import audit_service_pb2 as api
from gateway.auditing import audit
from gateway.auditing.audit import AuditRow
from gateway.auditing.denial_log import DENIED
from gateway.errors import invalid
from gateway.rpc.pages import decode_token, key_number
from gateway.store.port import Store, Transaction, Value
from gateway.time.clock import from_microseconds, from_timestamp, to_microseconds, to_timestamp
from region_node.node.day_work import row_before
from region_node.records.listing import Direction
from region_node.requests.checks import require_length

WINDOW = 5_000  # rows of one read: some milliseconds
WINDOWS = 20  # of one page
_LONGEST = 256  # characters of an actor or a subject
_ACTION = re.compile(r"[A-Za-z0-9_]{0,64}", re.ASCII)


class Window(NamedTuple):
    """The selected rows, and the number behind which the next ones stand; None where no row is left."""

    rows: list[AuditRow]
    following: int | None


@dataclass(frozen=True)
class Span:
    """The rows between two numbers."""

    after: int
    before: int

    def behind(self, row: int, *, in_reverse: bool) -> "Span":
        """Those that come behind one of its rows in the list."""
        return Span(row, self.before) if in_reverse else Span(self.after, row)

    def within(self, other: "Span") -> "Span":
        """Those that are in the other one, too."""
        return Span(max(self.after, other.after), min(self.before, other.before))


class Part(NamedTuple):
    """The rows of a page, and the span of its list."""

    rows: list[AuditRow]
    following: int | None
    """The number behind which the list goes on; None at its end."""
    span: Span


@dataclass(frozen=True)
class Wanted:
    """The filters of a list, and its direction. Empty filters select all rows."""

    start: int | None
    """Microseconds."""
    end: int | None
    actor: str
    action: str
    subject: str
    is_denied: bool
    in_reverse: bool
    """Whether the oldest row comes first."""

    @classmethod
    def of(cls, request: api.ListAuditRowsRequest) -> "Wanted":
        """The filters of a request. Raises Refused with REQUEST_INVALID."""
        require_length("actor", request.actor, _LONGEST)
        require_length("subject", request.subject, _LONGEST)
        if not _ACTION.fullmatch(request.action):
            raise invalid("action", "is no name of an action, as GetOrder", "不是操作名称，例如GetOrder")
        start = to_microseconds(from_timestamp(request.start_time)) if request.HasField("start_time") else None
        end = to_microseconds(from_timestamp(request.end_time)) if request.HasField("end_time") else None
        return cls(start, end, request.actor, request.action, request.subject, request.denied, request.in_reverse)

    @property
    def kind(self) -> str:
        """The kind of its page tokens: the other direction refuses them, and so do versions without this kind."""
        return "audit-rows-in-reverse" if self.in_reverse else "audit-rows"

    def key(self, row: int, span: Span) -> str:
        """The key of the place behind a row.

        In reverse it has the end of the list as its first page found it: each reading appends a row there.
        """
        return f"{row} {span.before}" if self.in_reverse else str(row)

    def behind(self, token: str) -> Span | None:
        """The rows behind a page token; None for the first page. Raises Refused with TOKEN_INVALID."""
        key = decode_token(self.kind, token)
        if not key:
            return None
        if not self.in_reverse:
            return Span(0, key_number(key))
        row, _, before = key.partition(" ")
        return Span(key_number(row), key_number(before))

    def conditions(self) -> Iterator[tuple[str, dict[str, Value]]]:
        """SQL conditions on a row, each with its parameters."""
        if self.actor:
            yield "actor = :actor", {"actor": self.actor}
        if self.action:
            # The subject of a denial is the path of a method, or the name of an envelope's. LIKE would take `_` for any
            # character, and SQLite's any case.
            of_path = f"substr(subject, length(subject) - {len(self.action)}) = :path"
            denied = f"action = :denied_method AND (subject = :action OR {of_path})"
            told: dict[str, Value] = {"action": self.action, "path": f"/{self.action}", "denied_method": DENIED}
            yield f"(action = :action OR ({denied}))", told
        if self.subject:
            yield "subject = :subject", {"subject": self.subject}
        if self.is_denied:
            yield "action = :denied", {"denied": DENIED}


async def rows_behind(store: Store, wanted: Wanted, behind: Span | None, limit: int) -> Part:
    """At most `limit` rows of a page, which are in the span `behind`; None begins with the first wanted row."""
    span = await store.read(lambda tx: _bounds(tx, wanted))
    if behind is not None:
        span = span.within(behind)
    found: list[AuditRow] = []
    following = None
    # Each window is a read of its own: other work goes on between them.
    for _ in range(WINDOWS):
        look = partial(_window, wanted=wanted, span=span, limit=limit - len(found))
        rows, following = await store.read(look)
        found += rows
        if following is None or len(found) == limit:
            break
        span = span.behind(following, in_reverse=wanted.in_reverse)
    return Part(found, following, span)


def _bounds(tx: Transaction, wanted: Wanted) -> Span:
    """The span of the wanted rows."""
    after = 0 if wanted.start is None else row_before(tx, wanted.start)
    last = audit.head(tx).sequence if wanted.end is None else row_before(tx, wanted.end)
    return Span(after, last + 1)


def _window(tx: Transaction, wanted: Wanted, span: Span, limit: int) -> Window:
    within: dict[str, Value] = {"after": span.after, "before": span.before}
    conditions = ["1 = 1"]
    parameters: dict[str, Value] = {}
    for condition, values in wanted.conditions():
        conditions.append(condition)
        parameters |= values
    order = f"ORDER BY sequence {Direction.of(is_rising=wanted.in_reverse).word}"
    inside = "FROM audit WHERE sequence > :after AND sequence < :before"
    rows = tx.all(
        AuditRow,
        f"SELECT {audit.COLUMNS} FROM (SELECT * {inside} {order} LIMIT :window) AS looked"  # noqa: S608 - names and conditions of this module
        f" WHERE {' AND '.join(conditions)} {order} LIMIT :limit",
        window=WINDOW,
        limit=limit,
        **within,
        **parameters,
    )
    last = tx.first(
        int,
        f"SELECT sequence {inside} {order} LIMIT 1 OFFSET :skipped",
        skipped=WINDOW - 1,
        **within,
    )
    return Window(rows, last)


def message_of(row: AuditRow) -> api.AuditRow:
    """The row of the contract, without its hash and salt."""
    return api.AuditRow(
        sequence=row.sequence,
        time=to_timestamp(from_microseconds(row.time)),
        actor=row.actor,
        action=row.action,
        subject=row.subject,
        detail=row.detail,
    )
