"""Lists of what regions work on, newest first: of sealed rows that have a state, a number, and a date of creation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from gateway.clock import to_microseconds
from gateway.store.port import Transaction, Value
from region_node.customers.told_standings import NOT_RESTRICTED
from region_node.readable import readable_page
from region_node.subjects import number_index

T = TypeVar("T")


@dataclass(frozen=True)
class Stored:
    """A row as it is stored; `created` in microseconds."""

    name: str
    created: int
    traceparent: str
    body: bytes = field(repr=False)


class Selection:
    """Which rows of a table are listed: those of restricted customers never."""

    def __init__(self, table: str, key: str) -> None:
        """`key` is the column of what rows are called by."""
        self._table = table
        self._key = key
        self._conditions = [NOT_RESTRICTED]
        self._parameters: dict[str, Value] = {}

    def only(self, condition: str, **parameters: Value) -> None:
        """Only those of which a condition in SQL holds."""
        self._conditions.append(condition)
        self._parameters |= parameters

    def in_states(self, states: Sequence[int]) -> None:
        """Only those in one of these states; no states restrict nothing."""
        if states:
            names = [f"state{index}" for index, _ in enumerate(states)]
            condition = f"state IN ({', '.join(':' + name for name in names)})"
            self.only(condition, **dict(zip(names, states, strict=True)))

    def of_number(self, tx: Transaction, number: str) -> None:
        """Only those of a number; none restricts nothing."""
        if number:
            self.only("number_index = :number_index", number_index=number_index(tx, number))

    def due_before(self, instant: datetime | None) -> None:
        """Only those that are due before an instant; none restricts nothing."""
        if instant is not None:
            self.only("due < :due_before", due_before=to_microseconds(instant))

    def page(
        self, tx: Transaction, opened: Callable[[Stored], T | None], before: tuple[int, str] | None, limit: int
    ) -> list[T]:
        """The first `limit` that can be read, older than `before` (creation date in microseconds, name)."""
        older = f" AND (creation_date < :date OR (creation_date = :date AND {self._key} < :name))"

        def rows_after(last: Stored | None) -> list[Stored]:
            place = (last.created, last.name) if last is not None else before
            where = " AND ".join(self._conditions) + (older if place is not None else "")
            beyond: dict[str, Value] = {} if place is None else {"date": place[0], "name": place[1]}
            return tx.all(
                Stored,
                f"SELECT {self._key}, creation_date, traceparent, body FROM {self._table} WHERE {where}"  # noqa: S608 - names and conditions of modules
                f" ORDER BY creation_date DESC, {self._key} DESC LIMIT :limit",
                limit=limit,
                **self._parameters,
                **beyond,
            )

        return readable_page(rows_after, lambda rows: [opened(each) for each in rows], limit)
