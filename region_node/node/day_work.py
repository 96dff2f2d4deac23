"""The work of a day: what callers of this region have done and read here in 24 hours, by its rows in the audit chain.

Each act and each reading of an operator system leaves a row, also where nothing stays open. The rows are counted now
and then, behind those that were counted before: the path of an order counts nothing, other processes and a restart make
no difference, and an operator system may pass its bound until the count is done. A stored file counts by its size,
which its row names: the bound is one of room on the disk.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.store.port import Transaction
from region_node.node.operator_work import OperatorWork, weight

UPLOAD, ATTACH = "UploadDocument", "AttachFile"
"""The actions that store a file. A detail of another one has no size, whatever text of its caller it ends in."""
HOUR = 3_600_000_000  # microseconds
HOURS = 24
"""The present hour, and those before it."""
PAGE = 10_000  # rows of one read, which are counted and not told: some milliseconds
_SIZE = re.compile(r"(?:^|, )(\d{1,15}) bytes$")


class CountedRows(NamedTuple):
    """The rows of a page by the hour (since 1970) and the actor; `last` is the number of the last one."""

    hour: int
    actor: str
    rows: int
    last: int


class StoredRow(NamedTuple):
    """The row of an act that has stored a file, or was to store it."""

    hour: int
    actor: str
    detail: str


class DayPage(NamedTuple):
    """A page of the chain: its rows, counted, and those of them about files."""

    counts: Sequence[CountedRows]
    stored: Sequence[StoredRow]

    @property
    def last(self) -> int | None:
        """The number of its last row; None for an empty page."""
        return max((each.last for each in self.counts), default=None)

    @property
    def is_last(self) -> bool:
        """Whether it had room for more rows: what came meanwhile is counted at the next look."""
        return sum(each.rows for each in self.counts) < PAGE


def told_size(size: int) -> str:
    """The size of a stored file in the detail of its row, by which it counts."""
    return f"{size} bytes"


def size_in(detail: str) -> int:
    """The size that a detail names at its end; 0 without one."""
    found = _SIZE.search(detail)
    return int(found[1]) if found else 0


def day_page(tx: Transaction, after: int) -> DayPage:
    """At most `PAGE` rows behind the row with a number."""
    page = "(SELECT * FROM audit WHERE sequence > :after ORDER BY sequence LIMIT :limit) AS page"
    counts = tx.all(
        CountedRows,
        f"SELECT time / {HOUR}, actor, COUNT(*), MAX(sequence) FROM {page} GROUP BY 1, 2",  # noqa: S608 - constants
        after=after,
        limit=PAGE,
    )
    stored = tx.all(
        StoredRow,
        f"SELECT time / {HOUR}, actor, detail FROM {page} WHERE action IN (:upload, :attach)",  # noqa: S608 - constants
        after=after,
        limit=PAGE,
        upload=UPLOAD,
        attach=ATTACH,
    )
    return DayPage(counts, stored)


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


class DayWork(OperatorWork):
    """The work of a day by the last count. A refusal has DAY_WORK_TOO_MUCH."""

    def __init__(self) -> None:
        super().__init__(Reason.REASON_DAY_WORK_TOO_MUCH, "count")
        self._hours: dict[int, Counter[str]] = {}

    def add(self, page: DayPage, region: str) -> None:
        """Counts the rows of a region's own callers."""
        own = f"region/{region}/"
        found = [(each.hour, each.actor, each.rows) for each in page.counts]
        found += [(each.hour, each.actor, weight(size_in(each.detail)) - 1) for each in page.stored]
        for hour, actor, count in found:
            if actor.startswith(own):
                operator = actor.removeprefix(own).removeprefix("operator/")
                self._hours.setdefault(hour, Counter())[operator] += count

    def sum_up(self, hour: int) -> None:
        """Sums the last hours up, and forgets those before."""
        self._hours = {each: counts for each, counts in self._hours.items() if each > hour - HOURS}
        self.by_operator = sum(self._hours.values(), Counter[str]())
