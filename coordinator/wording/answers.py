"""Reasons of regions: why one did not answer, and why one has not taken an envelope."""

from collections.abc import Iterable, Sequence

from gateway.api.coordinator.v1.administration_pb2 import UnansweredRegion
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, reason_name
from gateway.wording.languages import enumerated, refusal, translated
from gateway.wording.terms import region_name


def why_not_taken(reason: Reason.ValueType, destination: str) -> str:
    """Why a destination has not taken an envelope."""
    region = region_name(destination)
    if reason == Reason.REASON_UPGRADE_REQUIRED:
        return translated("it waits until {region} is upgraded", region=region)
    return told_reason(reason, region=region)


def told_reason(reason: Reason.ValueType, **known: str) -> str:
    """A reason with its text; by its name alone where the text speaks of more than is known."""
    told = refusal(Refused(reason, **known))
    return reason_name(reason) if "{" in told else told


def unanswered_line(unanswered: UnansweredRegion) -> str:
    """A line about a region that did not respond, and why."""
    region = region_name(unanswered.region)
    if unanswered.reason == Reason.REASON_METHOD_UNKNOWN:
        return translated("{region} could not be asked: it runs an older version, upgrade it first", region=region)
    if unanswered.reason == Reason.REASON_ORDER_SEARCHES_TOO_MANY:
        return translated(
            "{region} was asked too often for the orders of a number: ask again in the next hour, or tomorrow",
            region=region,
        )
    problem = told_reason(unanswered.reason, region=region)
    return translated("{region} could not be asked: {problem}", region=region, problem=problem)


def unanswered_lines(unanswered: Iterable[UnansweredRegion]) -> Sequence[str]:
    """A line about each region that did not respond to all of several calls."""
    return list(map(unanswered_line, {each.region: each for each in unanswered}.values()))


def search_line(search_ids: Iterable[str]) -> str:
    """A line with the subjects of the audit rows about the searches for the orders of one number."""
    subjects = enumerated(f"search/{each}" for each in search_ids)
    return translated("Orders of one number. The audit rows have the subject {subject}.", subject=subjects)
