"""The flows between regions: present orders, envelopes that wait, and breakers that are open. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.federation.v1.federation_pb2 import Member
from gateway.time.clock import from_timestamp


@dataclass
class Pair:
    """Two regions with the traffic between them, in both directions."""

    regions: tuple[str, str]
    """By id."""
    orders: int = 0
    waiting: int = 0
    """Envelopes that one has for the other, which has not accepted them or is not reached."""
    oldest: Timestamp = field(default_factory=Timestamp)
    """The time of the oldest that was not accepted; unset for none."""
    open_time: Timestamp = field(default_factory=Timestamp)
    """The time since which one of them does not reach the other; unset where both do."""

    @property
    def is_open(self) -> bool:
        """Whether one of them does not reach the other."""
        return bool(self.open_time.seconds)

    @property
    def style(self) -> str:
        """The class of the colour: of trouble, of delay, or of neither."""
        if self.is_open:
            return "late"
        return "near" if self.waiting else "calm"


def pairs_of(orders: Iterable[tuple[str, str]], members: Iterable[Member]) -> Sequence[Pair]:
    """The pairs with a flow: those in trouble first, then by their traffic.

    `orders` has the origin and the home region of each; a local order, or one without a home, is no flow.
    """
    found: dict[tuple[str, str], Pair] = {}

    def between(one: str, other: str) -> Pair:
        regions = (min(one, other), max(one, other))
        return found.setdefault(regions, Pair(regions))

    for origin, home in orders:
        if home and origin != home:
            between(origin, home).orders += 1
    for member in members:
        for waiting in member.report.waiting:
            pair = between(member.region, waiting.destination)
            pair.waiting += waiting.count
            pair.oldest = _earlier(pair.oldest, waiting.create_time)
        for breaker in member.report.open_breakers:
            pair = between(member.region, breaker.destination)
            pair.waiting += breaker.waiting
            pair.open_time = _earlier(pair.open_time, breaker.open_time)
    return sorted(found.values(), key=lambda each: (not each.is_open, -each.waiting, -each.orders, each.regions))


def _earlier(known: Timestamp, told: Timestamp) -> Timestamp:
    if not known.seconds:
        return told
    return told if from_timestamp(told) < from_timestamp(known) else known
