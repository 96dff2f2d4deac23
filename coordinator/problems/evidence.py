"""The evidence for a cause: whether it suffices for a claim, and the confidence. Pure.

Two small alarms near each other by chance share something, too. People act on a claim, and services count as down by
it. So it needs a combination that chance seldom produces.
"""

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

# The weight of an event for a cause, by its severity from unspecified to indeterminate. Minor events are everywhere.
_POINTS = (3, 6, 3, 0, 0, 0)
_FAULT = 2  # times as much: people looked at it
_OF_ONE_LINE = 2  # the most; three reports suffice
_OF_ITSELF = 6  # one critical alarm, a fault, or two major alarms that name the cause
# as much as two critical alarms: from the ends, neighbours and users of a cause with few own events
_IN_ALL = 12
_SUREST = 99  # percent


@dataclass(frozen=True)
class Witness:
    """A moment with an event that a cause explains."""

    time: int
    """Microseconds."""
    place: Hashable
    """The element of the event. Repeated events of an element add nothing, except for the cause itself."""
    points: int
    is_of_cause: bool
    """Whether the event is of the cause itself."""


def points_of(severity: int, *, is_fault: bool, is_of_one_line: bool = False) -> int:
    """The weight of an event for a cause; `severity` as PerceivedSeverity, 0 for unspecified."""
    if is_of_one_line:
        return min(_OF_ONE_LINE, _POINTS[severity])
    return _POINTS[severity] * (_FAULT if is_fault else 1)


def evidence(witnesses: Iterable[Witness], window: int) -> int:
    """The most points within one window of time that suffice for a claim; 0 where nothing suffices.

    Events of the cause itself suffice, or else much more around it; see the constants of this module. `witnesses` are
    in the order of time; `window` is in microseconds.
    """
    heard = [each for each in witnesses if each.points]
    most = dict[Hashable, int]()
    for each in heard:
        most[each.place] = max(each.points, most.get(each.place, 0))
    told = Counter[Hashable]()
    of_itself = around = best = first = 0
    for each in heard:
        if each.is_of_cause:
            of_itself += each.points
        else:
            told[each.place] += 1
            around += most[each.place] if told[each.place] == 1 else 0
        while heard[first].time < each.time - window:
            gone = heard[first]
            first += 1
            if gone.is_of_cause:
                of_itself -= gone.points
            else:
                told[gone.place] -= 1
                around -= most[gone.place] if not told[gone.place] else 0
        if of_itself >= _OF_ITSELF or of_itself + around >= _IN_ALL:
            best = max(best, of_itself + around)
    return best


def confidence(enough: int) -> int:
    """The confidence of a claim, in percent, by its evidence: 66 for the least that suffices, 0 for none.

    It orders claims and is no measured share; the bench prints how many of each band were right.
    """
    return min(_SUREST, 100 * enough // (enough + _OF_ITSELF // 2))
