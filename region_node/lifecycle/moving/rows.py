"""Moves as stored: sealed under the key of the customer, by whose id here they are found."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from gateway.api.region.v1.customer_move_pb2 import CustomerMove, MoveState
from gateway.federation.catalogue import Federation
from gateway.store import vault
from gateway.store.port import Transaction
from gateway.store.tables import Table, prints_without
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.lifecycle.moving.rules import MOVED, OPEN, TAKEN_OVER
from region_node.node.subjects import customer_subject, number_index
from region_node.records.readable import readable_page


@prints_without("body")
class _AtRest(NamedTuple):
    move_id: str
    customer_id: str
    state: MoveState.ValueType
    create_time: int
    is_planned: int
    body: bytes
    has_numbers: int


@prints_without("number")
class _Number(NamedTuple):
    """A number of a move; `number` is an index."""

    move_id: str
    number: str
    customer_id: str
    assignments: int


_MOVES = Table("customer_moves", _AtRest, key=("move_id",))
_NUMBERS = Table("move_numbers", _Number, key=("move_id", "number"))
_SELECT = f"SELECT {', '.join(_MOVES.columns)} FROM customer_moves"  # noqa: S608 - column names only
_OPEN = f"state IN ({', '.join(str(each) for each in sorted(OPEN))}) OR is_planned = 0"  # as its index has it
_LAST = 2**62


def find_move(tx: Transaction, move_id: str) -> CustomerMove | None:
    """The move with an id; None also for one of an erased customer."""
    row = tx.find(_MOVES, move_id)
    return None if row is None else _opened(tx, [row])[0]


def customer_here(tx: Transaction, move_id: str) -> str | None:
    """The id that the customer of a move has in this region, also after an erasure."""
    row = tx.find(_MOVES, move_id)
    return None if row is None else row.customer_id


def keep_move(tx: Transaction, move: CustomerMove, customer_id: str) -> None:
    """Stores a new or changed move of a customer, whose id here is given."""
    body = vault.seal(tx, customer_subject(customer_id), _place(move.id), move.SerializeToString())
    created = to_microseconds(from_timestamp(move.create_time))
    waits = move.state in (MOVED, TAKEN_OVER) and not move.is_planned
    tx.keep(_MOVES, _AtRest(move.id, customer_id, move.state, created, int(not waits), body, 1))
    _keep_numbers(tx, move, customer_id)


def move_to(tx: Transaction, customer_id: str, region: str) -> CustomerMove | None:
    """The last move of a customer of this region to another one that has taken the customer over."""
    rows = tx.all(
        _AtRest,
        f"{_SELECT} WHERE customer_id = :id AND state = :moved ORDER BY create_time DESC, move_id DESC",
        id=customer_id,
        moved=MOVED,
    )
    return next((each for each in _opened(tx, rows) if each is not None and each.to_region == region), None)


def moves_of(tx: Transaction, customer_id: str) -> list[str]:
    """The ids of all moves of a customer of this region."""
    return tx.all(str, "SELECT move_id FROM customer_moves WHERE customer_id = :id ORDER BY move_id", id=customer_id)


def note_assignments(tx: Transaction, move: CustomerMove, customer_id: str, federation: Federation) -> None:
    """Stores how many assignments of each number of a move are known now: the next one names the new home."""
    for each in move.lines:
        count = len(federation.number_plan.book.of(each.number))
        tx.keep(_NUMBERS, _Number(move.id, number_index(tx, each.number), customer_id, count))


def is_behind(tx: Transaction, move: CustomerMove, federation: Federation) -> bool:
    """Whether a plan is older than a move, as that of a process that lags, and cannot say whether it is named."""
    book = federation.number_plan.book
    return any(len(book.of(each.number)) < (_known_at(tx, move, each.number) or 0) for each in move.lines)


def unnamed(tx: Transaction, move: CustomerMove, federation: Federation) -> list[str]:
    """The numbers of a move, E.164, which a plan leaves with the former home, and which that has not given away since.

    A later move may have brought a number back before this region saw the plan that named the new home.
    """
    plan = federation.number_plan

    def is_given(number: str) -> bool:
        known = _known_at(tx, move, number)
        return known is not None and any(each.giver == move.from_region for each in plan.book.of(number)[known:])

    left = (each.number for each in move.lines if plan.home_of(each.number) == move.from_region)
    return [each for each in left if not is_given(each)]


def is_after(tx: Transaction, move: CustomerMove, number: str, federation: Federation) -> bool:
    """Whether a move of a number, E.164, is newer than a plan, which names the former home or lacks more.

    False for a move of an earlier version, of which nothing is known.
    """
    known, plan = _known_at(tx, move, number), federation.number_plan
    ahead = -1 if known is None else known - len(plan.book.of(number))
    return ahead > 0 or (ahead == 0 and plan.home_of(number) == move.from_region)


def _known_at(tx: Transaction, move: CustomerMove, number: str) -> int | None:
    """How many assignments of a number, E.164, were known at its move; None for a move of an earlier version."""
    row = tx.find(_NUMBERS, move.id, number_index(tx, number))
    return None if row is None else row.assignments


def moves_with(tx: Transaction, number: str) -> list[CustomerMove]:
    """All moves of a number, E.164, from and to this region, also of the customer of another move; by id.

    Those of erased customers are left out.
    """
    ids = tx.all(
        str, "SELECT move_id FROM move_numbers WHERE number = :number ORDER BY move_id", number=number_index(tx, number)
    )
    return [move for each in ids if (move := find_move(tx, each)) is not None]


def open_move(tx: Transaction, customer_id: str) -> str | None:
    """The id of a customer's open move."""
    states = ", ".join(str(each) for each in sorted(OPEN))
    sql = f"SELECT move_id FROM customer_moves WHERE customer_id = :id AND state IN ({states})"  # noqa: S608 - numbers
    return tx.first(str, sql, id=customer_id)


def open_moves(tx: Transaction, after: tuple[int, str] | None, limit: int) -> list[CustomerMove]:
    """At most `limit` moves that are open or not named by the number plan, behind a time in microseconds and an id.

    The oldest come first.
    """

    def rows_after(last: _AtRest | None) -> list[_AtRest]:
        time, name = (last.create_time, last.move_id) if last is not None else after or (-_LAST, "")
        return tx.all(
            _AtRest,
            f"{_SELECT} WHERE (create_time > :time OR (create_time = :time AND move_id > :name)) AND ({_OPEN})"
            " ORDER BY create_time, move_id LIMIT :n",
            time=time,
            name=name,
            n=limit,
        )

    return readable_page(rows_after, lambda rows: _opened(tx, rows), limit)


def open_moves_between(tx: Transaction, start: datetime, end: datetime) -> list[CustomerMove]:
    """The open moves of this old home that were requested within a span, from `start` up to and without `end`."""
    states = ", ".join(str(each) for each in sorted(OPEN))
    rows = tx.all(
        _AtRest,
        f"{_SELECT} WHERE create_time >= :start AND create_time < :end AND state IN ({states})",
        start=to_microseconds(start),
        end=to_microseconds(end),
    )
    return [each for each in _opened(tx, rows) if each is not None]


def unplanned_moves(tx: Transaction, after: str, limit: int) -> list[CustomerMove]:
    """At most `limit` ended moves behind an id that the number plan did not name when this region last looked."""
    rows = tx.all(
        _AtRest, f"{_SELECT} WHERE is_planned = 0 AND move_id > :id ORDER BY move_id LIMIT :n", id=after, n=limit
    )
    return [each for each in _opened(tx, rows) if each is not None]


def list_moves(tx: Transaction, before: tuple[int, str] | None, limit: int) -> list[CustomerMove]:
    """At most `limit` moves older than a time in microseconds and an id, the newest first."""

    def rows_after(last: _AtRest | None) -> list[_AtRest]:
        time, name = (last.create_time, last.move_id) if last is not None else before or (_LAST, "")
        return tx.all(
            _AtRest,
            f"{_SELECT} WHERE create_time <= :time AND (create_time < :time OR move_id < :name)"
            " ORDER BY create_time DESC, move_id DESC LIMIT :n",
            time=time,
            name=name,
            n=limit,
        )

    return readable_page(rows_after, lambda rows: _opened(tx, rows), limit)


def forget_moves(tx: Transaction, customer_id: str) -> None:
    """Removes the moves of an erased customer."""
    tx.execute("DELETE FROM move_numbers WHERE customer_id = :id", id=customer_id)
    tx.execute("DELETE FROM customer_moves WHERE customer_id = :id", id=customer_id)


def forget_numbers(tx: Transaction, index: str) -> None:
    """Removes an erased number, by its index, from the moves that had it."""
    tx.execute("DELETE FROM move_numbers WHERE number = :number", number=index)


def index_numbers(tx: Transaction, limit: int) -> int:
    """Stores the numbers of at most `limit` moves of an earlier version; returns how many, 0 once none is left."""
    rows = tx.all(_AtRest, f"{_SELECT} WHERE has_numbers = 0 ORDER BY move_id LIMIT :n", n=limit)
    for row, move in zip(rows, _opened(tx, rows), strict=True):
        if move is not None:
            _keep_numbers(tx, move, row.customer_id)
        tx.keep(_MOVES, row._replace(has_numbers=1))
    return len(rows)


def _keep_numbers(tx: Transaction, move: CustomerMove, customer_id: str) -> None:
    for each in move.lines:
        index = number_index(tx, each.number)
        if tx.find(_NUMBERS, move.id, index) is None:
            tx.keep(_NUMBERS, _Number(move.id, index, customer_id, 0))


def _opened(tx: Transaction, rows: Sequence[_AtRest]) -> list[CustomerMove | None]:
    places = [vault.Sealing(customer_subject(row.customer_id), _place(row.move_id), row.body) for row in rows]
    return [None if each is None else CustomerMove.FromString(each) for each in vault.open_many(tx, places)]


def _place(move_id: str) -> str:
    return f"customer_moves/{move_id}"
