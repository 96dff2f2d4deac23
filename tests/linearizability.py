"""Whether a history of suspensions is linearizable: each operation seems to happen at one moment within its interval.

An object is a region that is suspended or not. The search is that of Wing and Gong, with Lowe's memory of visited
states. An operation that changes nothing is taken as soon as it fits, which no later choice can regret.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """What was done about the region."""

    SUSPEND = auto()
    REINSTATE = auto()
    ROUTE = auto()
    """An envelope was brought to it, which nobody does for a suspended region."""


@dataclass(frozen=True)
class Operation:
    """An operation on one region, in seconds of one clock."""

    kind: Kind
    begin: float
    end: float = math.inf
    """Infinite where the outcome is not known: it may have happened at any time since, or never."""
    by: str = ""
    """Who did it, for people."""


def contradiction(history: Iterable[Operation]) -> Operation | None:
    """An operation that fits nowhere, of the order that explains most; None for a linearizable history."""
    # A suspension that may not have happened forbids much and allows nothing.
    known = (each for each in history if each.kind is not Kind.SUSPEND or each.end < math.inf)
    operations = sorted(known, key=lambda each: each.begin)
    everything = (1 << len(operations)) - 1
    waiting = [(everything, False)]
    seen: set[tuple[int, bool]] = set()
    best, stuck = len(operations) + 1, None
    while waiting:
        left, suspended = _without_routes(operations, *waiting.pop())
        remaining = _remaining(operations, left)
        end = min((operations[at].end for at in remaining), default=math.inf)
        if end == math.inf:
            return None
        if len(remaining) < best:
            best, stuck = (
                len(remaining),
                next(each for each in map(operations.__getitem__, remaining) if each.end == end),
            )
        if (left, suspended) in seen:
            continue
        seen.add((left, suspended))
        waiting.extend(
            (left & ~(1 << at), operations[at].kind is Kind.SUSPEND) for at in _next_changes(operations, remaining, end)
        )
    return stuck


def _next_changes(operations: list[Operation], remaining: list[int], end: float) -> Iterator[int]:
    """The suspensions and reinstatements that may come next: of those that may never have happened, the first."""
    is_open = False
    for at in remaining:
        one = operations[at]
        if one.kind is not Kind.ROUTE and one.begin <= end and not (is_open and one.end == math.inf):
            is_open = is_open or one.end == math.inf
            yield at


def _without_routes(operations: list[Operation], left: int, suspended: bool) -> tuple[int, bool]:
    """What is left once all routes that can come next have come."""
    while not suspended:
        remaining = _remaining(operations, left)
        end = min((operations[at].end for at in remaining), default=math.inf)
        next_routes = [at for at in remaining if operations[at].kind is Kind.ROUTE and operations[at].begin <= end]
        if not next_routes:
            break
        for at in next_routes:
            left &= ~(1 << at)
    return left, suspended


def _remaining(operations: list[Operation], left: int) -> list[int]:
    return [at for at in range(len(operations)) if left >> at & 1]
