"""Lists of records, newest first, or the nearest due first: sealed rows with a state, a number, and a date.

A page looks at a limited number of rows whatever the filter: all other work of the region waits meanwhile. At the
limit, the page has the rows found so far, and the next one continues from there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from gateway.errors import Refused, invalid
from gateway.rpc.pages import dated_key
from gateway.store.port import Transaction, Value
from gateway.time.clock import from_microseconds, to_microseconds
from region_node.node.subjects import number_index
from region_node.records.readable import readable_page

S = TypeVar("S", bound="Placed")
T = TypeVar("T")
SCANNED = 2_000
"""The number of rows that a page looks at: a few milliseconds."""
FAR = 2 * SCANNED
"""The number of rows that it looks at for callers who count places."""
NEVER = 253_402_300_799_999_999
"""The date of what is never due: the last one of the calendar, in microseconds."""


class Placed(Protocol):
    """A row with its place in the list."""

    @property
    def name(self) -> str:
        """The key of the row."""

    @property
    def date(self) -> int:
        """The date of its place, in microseconds."""


@dataclass(frozen=True)
class Stored:
    """A stored row with its place."""

    name: str
    date: int
    traceparent: str
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Reading(Generic[S, T]):
    """The columns that a page reads, and what it makes of them."""

    shape: Callable[..., S]
    """Its arguments are the name, the date, and the columns."""
    columns: Sequence[str]
    opened: Callable[[Sequence[S]], Sequence[T | None]]
    """The items of rows, with None in the place of each that cannot be read."""


@dataclass(frozen=True)
class Page(Generic[T]):
    """A page of a list, and the key behind which the next one begins; empty after the last one."""

    items: list[T]
    following: str
    total: int | None = None
    """The number of items of the whole list; None where nobody asked, or where that is more than a page looks at."""


@dataclass(frozen=True)
class Direction:
    """The direction of a list in SQL."""

    word: str
    """Behind each column of the order."""
    sooner: str
    """The comparison of a key with one that comes later in the list."""
    later: str
    """The comparison of a key with one that comes sooner."""

    @classmethod
    def of(cls, *, is_rising: bool) -> "Direction":
        """That of a list whose least key comes first, or whose greatest does."""
        return cls("ASC", "<", ">") if is_rising else cls("DESC", ">", "<")


@dataclass(frozen=True)
class Position:
    """A page by the number of its first place, for callers who have no token of it."""

    skip: int = 0
    """Items passed over. Raises Refused outside of 0 to FAR."""
    counts: bool = False
    """Whether the whole list is counted."""

    def __post_init__(self) -> None:
        if not 0 <= self.skip <= FAR:
            raise invalid("skip", f"it is not 0 to {FAR}", f"须为0至{FAR}")

    @property
    def scanned(self) -> int:
        """The number of rows that the page looks at: more where places are counted from the beginning."""
        return FAR if self.skip or self.counts else SCANNED


BY_TOKEN = Position()
"""The page behind a token alone."""


def too_far(position: Position) -> Refused:
    """The refusal of a position behind all that its page looks at."""
    scanned = position.scanned
    return invalid(
        "skip",
        f"fewer than {position.skip + 1} of the first {scanned} entries are selected; go on by tokens",
        f"前{scanned}条中符合条件的不足{position.skip + 1}条，请用令牌翻页",
    )


@dataclass(frozen=True)
class _Place:
    date: int
    name: str

    def key(self) -> str:
        return dated_key(from_microseconds(self.date), self.name)


class Selection:
    """A selection of rows of a table."""

    def __init__(
        self, table: str, key: str, *, shown: str, dated: str = "create_time", is_rising: bool = False
    ) -> None:
        """`key` is the column of the row's name, `dated` that of its date; both are indexed in this order.

        `shown` is an SQL condition on all listed rows. The greatest date comes first, in a rising list the least.
        """
        self._table = table
        self._key = key
        self._dated = dated
        direction = Direction.of(is_rising=is_rising)
        self._order = f"{dated} {direction.word}, {key} {direction.word}"
        self._sooner, self._later = direction.sooner, direction.later
        self._conditions = [shown]
        self._indexed = ""
        self._parameters: dict[str, Value] = {}

    def only(self, condition: str, **parameters: Value) -> None:
        """Restricts the selection by an SQL condition."""
        self._conditions.append(condition)
        self._parameters |= parameters

    def by(self, condition: str, **parameters: Value) -> None:
        """Restricts the selection by an indexed column: a page looks at no other rows.

        Only the first such call has an effect.
        """
        self._beside_index(condition, **parameters)
        self._indexed = self._indexed or condition

    def in_states(self, states: Sequence[int], index: str = "", lacking: frozenset[int] = frozenset()) -> None:
        """Restricts the selection to these states; an empty list restricts nothing.

        `index` is the condition of a partial index in the order of the list, to the letter, and `lacking` has the
        states that it leaves out. A page for none of these looks at no other rows, unless an earlier `by` has effect.
        """
        if states:
            if index and lacking.isdisjoint(states) and not self._indexed:
                self.by(index)
            names = [f"state{index}" for index, _ in enumerate(states)]
            condition = f"state IN ({', '.join(':' + name for name in names)})"
            self.only(condition, **dict(zip(names, states, strict=True)))

    def of_number(self, tx: Transaction, number: str, column: str = "number_index") -> None:
        """Restricts the selection to a number by the column of its index; an empty number restricts nothing."""
        if number:
            self.by(f"{column} = :{column} AND {column} <> ''", **{column: number_index(tx, number)})

    def until(self, instant: datetime | None) -> None:
        """Restricts a list to dates before an instant: a page looks at no later row. None restricts nothing."""
        if instant is not None:
            condition = f"{self._dated} < :until"
            self._indexed = f"{self._indexed} AND {condition}" if self._indexed else condition
            self.only(condition, until=to_microseconds(instant))

    def due_before(self, instant: datetime | None) -> None:
        """Restricts the selection to rows due before an instant; None restricts nothing."""
        if instant is not None:
            self._beside_index("due_time < :due_before", due_before=to_microseconds(instant))

    def page(
        self,
        tx: Transaction,
        reading: Reading[S, T],
        before: tuple[int, str] | None,
        limit: int,
        position: Position = BY_TOKEN,
    ) -> Page[T]:
        """The first `limit` that can be read, behind `before` in the list (date in microseconds, name).

        Raises Refused for a position behind all that the page looks at: the next page could not begin there.
        """
        last = end = self._end(tx, before, position.scanned)

        def rows_after(last: S | None) -> list[S]:
            if last is None:
                return self._rows(tx, reading, before, end, limit + 1, position.skip)
            return self._rows(tx, reading, (last.date, last.name), end, limit + 1)

        def with_places(rows: Sequence[S]) -> list[tuple[_Place, T] | None]:
            found = zip(rows, reading.opened(rows), strict=True)
            return [None if each is None else (_Place(row.date, row.name), each) for row, each in found]

        read = readable_page(rows_after, with_places, limit + 1)
        if len(read) > limit:
            end = read[limit - 1][0]
        elif not read and position.skip and end is not None:
            raise too_far(position)
        total = self._total(tx, last if before is None else self._end(tx, None, FAR)) if position.counts else None
        return Page([each for _, each in read[:limit]], end.key() if end is not None else "", total)

    def _beside_index(self, condition: str, **parameters: Value) -> None:
        """Restricts the selection so that no engine leaves the index of `by`, which bounds a page, for another."""
        self.only(f"CASE WHEN {condition} THEN 1 ELSE 0 END = 1" if self._indexed else condition, **parameters)

    def _total(self, tx: Transaction, end: _Place | None) -> int | None:
        """The number of rows, by the index of their order; None where the table has more than those until `end`."""
        if end is not None:
            return None
        rows = (
            f"SELECT 1 FROM {self._table} WHERE {' AND '.join(self._conditions)}"  # noqa: S608 - names and conditions of modules
            f" ORDER BY {self._order} LIMIT {FAR}"
        )
        return tx.first(int, f"SELECT COUNT(*) FROM ({rows}) AS far", **self._parameters)  # noqa: S608 - of the rows above

    def _end(self, tx: Transaction, before: tuple[int, str] | None, scanned: int) -> _Place | None:
        """The last row that a page looks at; None for the last row of the table."""
        where, place = self._behind(before)
        conditions = " AND ".join(each for each in (self._indexed, where) if each) or "1 = 1"
        known = {name: each for name, each in self._parameters.items() if f":{name}" in self._indexed}
        return tx.first(
            _Place,
            f"SELECT {self._dated}, {self._key} FROM {self._table} WHERE {conditions}"  # noqa: S608 - names and conditions of modules
            f" ORDER BY {self._order} LIMIT 1 OFFSET :skipped",
            skipped=scanned - 1,
            **known,
            **place,
        )

    def _rows(
        self,
        tx: Transaction,
        reading: Reading[S, T],
        before: tuple[int, str] | None,
        end: _Place | None,
        limit: int,
        skip: int = 0,
    ) -> list[S]:
        behind, place = self._behind(before)
        conditions = [*self._conditions, *([behind] if behind else [])]
        if end is not None:
            dated, sooner = self._dated, self._sooner
            conditions.append(f"{dated} {sooner}= :end AND ({dated} {sooner} :end OR {self._key} {sooner}= :end_name)")
            place |= {"end": end.date, "end_name": end.name}
        return tx.all(
            reading.shape,
            f"SELECT {', '.join((self._key, self._dated, *reading.columns))} FROM {self._table}"  # noqa: S608 - names and conditions of modules
            f" WHERE {' AND '.join(conditions)} ORDER BY {self._order}"
            " LIMIT :limit OFFSET :skip",
            limit=limit,
            skip=skip,
            **self._parameters,
            **place,
        )

    def _behind(self, before: tuple[int, str] | None) -> tuple[str, dict[str, Value]]:
        if before is None:
            return "", {}
        # The first part makes the index usable.
        dated, later = self._dated, self._later
        condition = f"{dated} {later}= :date AND ({dated} {later} :date OR {self._key} {later} :name)"
        return condition, {"date": before[0], "name": before[1]}
