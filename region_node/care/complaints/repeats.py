"""The repeats of a complaint: those of its number and category in the thirty days before it. Pure.

Regions learn of complaints in any order. The filing times decide, so that all regions agree. Of two simultaneous
filings the ticket id determines the first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

REPEAT_WITHIN = timedelta(days=30)
_WITHIN = REPEAT_WITHIN // timedelta(microseconds=1)


@dataclass(frozen=True)
class Filing:
    """A complaint, or a case, and its filing time in microseconds."""

    ticket_id: str
    filed: int

    @property
    def _place(self) -> tuple[int, int, str]:
        """Its place among all filings: the tenth of a day follows the ninth."""
        return self.filed, len(self.ticket_id), self.ticket_id

    def repeats(self, other: "Filing") -> bool:
        """Whether it was filed after the other one, within the limit."""
        return other._place < self._place and self.filed - other.filed <= _WITHIN


def repeated_by(filing: Filing, known: Iterable[Filing]) -> Sequence[str]:
    """The ticket ids of the complaints that a complaint repeats, newest first."""
    found = [each for each in known if filing.repeats(each)]
    return [each.ticket_id for each in sorted(found, key=lambda each: each._place, reverse=True)]


def repeating(filing: Filing, known: Iterable[Filing]) -> Sequence[Filing]:
    """The complaints that repeat a complaint, which is reported only now."""
    return [each for each in known if each.repeats(filing)]
