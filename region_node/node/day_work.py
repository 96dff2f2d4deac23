"""The work of a day: what callers of this region have done and read here in 24 hours, by its rows in the audit chain.

Each act and each reading of an operator system leaves a row, also where nothing stays open. The rows are counted now
and then, behind those that were counted before: the path of an order counts nothing, other processes and a restart make
no difference, and an operator system may pass its bound until the count is done.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.store.port import Transaction

DAY_WORK = "day-work-of-operator"
"""The policy with the most acts and readings of an operator system in a day."""
HOUR = 3_600_000_000  # microseconds
HOURS = 24
"""The present hour, and those before it."""
PAGE = 10_000  # rows of one read, which are counted and not told: some milliseconds


class CountedRows(NamedTuple):
    """The rows of a page by the hour (since 1970) and the actor; `last` is the number of the last one."""

    hour: int
    actor: str
    rows: int
    last: int


def counted_rows(tx: Transaction, after: int) -> Sequence[CountedRows]:
    """At most `PAGE` rows behind the row with a number, counted."""
    return tx.all(
        CountedRows,
        f"SELECT time / {HOUR}, actor, COUNT(*), MAX(sequence)"  # noqa: S608 - a number
        " FROM (SELECT sequence, time, actor FROM audit WHERE sequence > :after ORDER BY sequence LIMIT :limit) AS page"
        " GROUP BY 1, 2",
        after=after,
        limit=PAGE,
    )


def is_last(page: Iterable[CountedRows]) -> bool:
    """Whether a page had room for more rows: what came meanwhile is counted at the next look."""
    return sum(each.rows for each in page) < PAGE


def row_before(tx: Transaction, instant: int) -> int:
    """The number behind which the rows since an instant (microseconds) stand, as far as clocks did not step."""
    low, high = 0, audit.head(tx).sequence
    while low < high:
        middle = (low + high) // 2
        sql = "SELECT time FROM audit WHERE sequence > :middle ORDER BY sequence LIMIT 1"
        time = tx.first(int, sql, middle=middle)
        if time is None or time >= instant:
            high = middle
        else:
            low = middle + 1
    return low


class DayWork:
    """The work of a day by the last count, and its bound, in the memory of one process."""

    def __init__(self) -> None:
        self.by_operator: Mapping[str, int] = {}
        self.most: int | None = None
        """The most of an operator system; None before the first count, and for a federation without the policy."""
        self._hours: dict[int, Counter[str]] = {}

    def add(self, rows: Iterable[CountedRows], region: str) -> None:
        """Counts the rows of a region's own callers."""
        own = f"region/{region}/"
        for each in rows:
            if each.actor.startswith(own):
                operator = each.actor.removeprefix(own).removeprefix("operator/")
                self._hours.setdefault(each.hour, Counter())[operator] += each.rows

    def sum_up(self, hour: int) -> None:
        """Sums the last hours up, and forgets those before."""
        self._hours = {each: counts for each, counts in self._hours.items() if each > hour - HOURS}
        self.by_operator = sum(self._hours.values(), Counter[str]())

    def require_share(self, operator: str) -> None:
        """Raises Refused with DAY_WORK_TOO_MUCH where an operator system has done more than its share."""
        count = self.by_operator.get(operator, 0)
        if self.most is not None and count > self.most:
            raise Refused(Reason.REASON_DAY_WORK_TOO_MUCH, operator=operator, count=str(count), most=str(self.most))
