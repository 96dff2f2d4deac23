"""Unknown numbers, which nobody has here: a party that has named many in an hour is refused until the hour is over.

An order, and a reading by papers, tell whether somebody has a number. The bounds are figures of the federation's
policies, with their sources. Those that this process commits count at once, those of other
processes with the next look at the counters. Hours are in hours since 1970.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.policies import UNKNOWN_NUMBERS
from gateway.store.port import Store
from gateway.values.requesters import SELF_SERVICE

Figure = Callable[[str, str], int | None]
"""The figure of a policy between another region and this one; None for a federation without the policy."""

_KEPT = 100_000  # parties: beyond them, members of staff count for their operator systems alone
_SYSTEMS = 200  # operator systems of a region: beyond them it invents names, and none is spared


class Party(NamedTuple):
    """A party that is counted: a member of staff, an operator system without one, or a region without either."""

    region: str
    operator: str = ""
    staff_id: str = ""


@dataclass(frozen=True)
class NumberUnknown:
    """Published when a party has learnt in an hour that nobody has a number."""

    party: Party
    hour: int


class MostUnknown(NamedTuple):
    """The most unknown numbers in an hour; None where the federation has no policy."""

    of_staff: int | None = None
    of_operator: int | None = None
    of_region: int | None = None

    @classmethod
    def of(cls, figure: Figure, region: str) -> "MostUnknown":
        """Those of the policies in force."""
        return cls(*(figure(each, region) for each in UNKNOWN_NUMBERS))


class UnknownNumbers:
    """The unknown numbers of the present hour by their parties, in the memory of one process."""

    def __init__(self) -> None:
        self._hour = 0
        self._counted: dict[Party, int] = {}
        self._systems = Counter[str]()  # with an unknown number, by region

    def follow(self, store: Store) -> None:
        """Counts what this process commits."""
        store.subscribe(NumberUnknown, self.note)

    def note(self, unknown: NumberUnknown) -> None:
        """Counts one that was committed."""
        self._begin(unknown.hour)
        if unknown.hour == self._hour:
            for each in _levels(unknown.party):
                self._keep(each, self._counted.get(each, 0) + 1)

    def learn(self, counted: Iterable[tuple[Party, int]], hour: int) -> None:
        """Takes over the counters of an hour: also those of other processes, and of before a restart."""
        self._begin(hour)
        if hour != self._hour:
            return
        sums: dict[Party, int] = {}
        for party, count in counted:
            for each in _levels(party):
                sums[each] = sums.get(each, 0) + count
        for each, total in sums.items():
            if total:
                self._keep(each, max(total, self._counted.get(each, 0)))

    def is_named(self, region: str) -> bool:
        """Whether a region may have named an unknown number in this hour."""
        return Party(region) in self._counted

    def require_few(self, figure: Figure, own_region: str, party: Party, hour: int, left: int) -> None:
        """Raises Refused with UNKNOWN_NUMBERS_TOO_MANY, whether or not somebody has the number at hand.

        The hour ends in `left` seconds. The own region as a whole has no bound. That of another region spares an
        operator system that has named none: a few stolen certificates do not cut off the others.
        """
        if hour != self._hour:
            return
        most, system = MostUnknown.of(figure, party.region), Party(party.region, party.operator)
        has_named = system in self._counted or self._systems[party.region] > _SYSTEMS
        if party.region != own_region and has_named:
            self._require(Party(party.region), most.of_region, left)
        if party.operator:
            self._require(system, most.of_operator, left)
        if party.staff_id not in ("", SELF_SERVICE):
            self._require(party, most.of_staff, left)

    def _require(self, party: Party, most: int | None, left: int) -> None:
        if most is not None and self._counted.get(party, 0) > most:
            raise Refused(Reason.REASON_UNKNOWN_NUMBERS_TOO_MANY, most=str(most), retry_seconds=str(left))

    def _begin(self, hour: int) -> None:
        """Begins an hour; an hour further back than the last one shows that this clock was ahead."""
        if hour > self._hour or hour < self._hour - 1:
            self._hour, self._counted, self._systems = hour, {}, Counter()

    def _keep(self, party: Party, count: int) -> None:
        if party.operator and not party.staff_id and party not in self._counted:
            self._systems[party.region] += 1
        if party in self._counted or len(self._counted) < _KEPT or not party.operator:
            self._counted[party] = count


def _levels(party: Party) -> set[Party]:
    """The region, the operator system and the member of staff for whom a dealing counts."""
    return {Party(party.region), party._replace(staff_id=""), party}
