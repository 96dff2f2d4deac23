"""The lanes of a region: the envelopes that are in flight or wait, and the destinations that are not reached."""

from collections.abc import Sequence
from typing import NamedTuple

from coordinator.wording.answers import told_reason, why_not_taken
from gateway.api.federation.v1.federation_pb2 import Member, MemberState, NodeReport, OpenBreaker, WaitingEnvelopes
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.wording.languages import translated
from gateway.wording.terms import region_name

_REASON = "REASON_"


class LaneLine(NamedTuple):
    """A line about a destination, which has several where its envelopes wait for several reasons."""

    destination: str
    breaker: OpenBreaker | None = None
    """Set where the destination is not reached."""
    waiting: WaitingEnvelopes | None = None
    """The envelopes that it has not taken for one reason."""
    in_flight: int = 0
    """The envelopes in flight, in the first line of the destination."""

    @property
    def envelopes(self) -> int | None:
        """The number of envelopes that wait; None where none does, or a former version does not count them."""
        if self.waiting is not None:
            return self.waiting.count
        return self.breaker.waiting if self.breaker is not None and self.breaker.HasField("waiting") else None


def lanes_of(report: NodeReport) -> Sequence[LaneLine]:
    """The lines of a region: first destinations that are not reached, then those with envelopes that wait."""
    stopped = [LaneLine(each.destination, breaker=each) for each in report.open_breakers]
    waiting = [LaneLine(each.destination, waiting=each) for each in report.waiting]
    in_flight = {each.destination: each.count for each in report.in_flight}
    silent = in_flight.keys() - {each.destination for each in (*stopped, *waiting)}
    lines = [*stopped, *waiting, *(LaneLine(each) for each in sorted(silent))]
    return [each._replace(in_flight=in_flight.pop(each.destination, 0)) for each in lines]


def told_idle(member: Member) -> str:
    """A sentence for a region without a line; empty for another, and for a region whose report may be old."""
    if member.state != MemberState.MEMBER_STATE_JOINED or lanes_of(member.report):
        return ""
    return translated("Nothing waits, and each region is reached.")


def why(line: LaneLine) -> str:
    """Why envelopes to a destination wait; empty where none does, or where the cause is not known."""
    if line.waiting is not None:
        return why_not_taken(line.waiting.reason, line.destination)
    return why_not_reached(line.breaker) if line.breaker is not None else ""


def why_not_reached(breaker: OpenBreaker) -> str:
    """Why a destination is not reached; empty for a region whose version does not tell it."""
    if not breaker.failure:
        return ""
    name = _REASON + breaker.failure
    if name not in Reason.keys():
        return translated("no answer, {status}", status=breaker.failure)
    return told_reason(Reason.Value(name), region=region_name(breaker.destination))
