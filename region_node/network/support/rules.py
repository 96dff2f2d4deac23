"""The life cycle of a support request, the checks of a new one, and the region at fault. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction

from gateway.api.federation.v1.network_pb2 import Link, QualityClass
from gateway.api.region.v1.support_request_pb2 import (
    SupportFigure,
    SupportFinding,
    SupportInquiry,
    SupportMeasurement,
    SupportRequest,
    SupportState,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.federation.network import NetworkRegistry
from gateway.time.clock import from_timestamp, is_dated, to_timestamp
from gateway.values.names import camel_case
from region_node.requests.checks import require_length, require_size

ACKNOWLEDGED = SupportState.SUPPORT_STATE_ACKNOWLEDGED
IN_PROGRESS = SupportState.SUPPORT_STATE_IN_PROGRESS
RESOLVED = SupportState.SUPPORT_STATE_RESOLVED
CLOSED = SupportState.SUPPORT_STATE_CLOSED

DELAY = SupportFigure.SUPPORT_FIGURE_DELAY
DELAY_VARIATION = SupportFigure.SUPPORT_FIGURE_DELAY_VARIATION
LOSS = SupportFigure.SUPPORT_FIGURE_LOSS

TRANSITIONS: Mapping[SupportState.ValueType, frozenset[SupportState.ValueType]] = {
    ACKNOWLEDGED: frozenset({IN_PROGRESS, RESOLVED}),
    IN_PROGRESS: frozenset({RESOLVED}),
    RESOLVED: frozenset({IN_PROGRESS, CLOSED}),
}

STATES_OF_STEPS: Mapping[str, frozenset[SupportState.ValueType]] = {
    "note": frozenset({ACKNOWLEDGED, IN_PROGRESS, RESOLVED}),
    "take_up": frozenset({ACKNOWLEDGED}),
    "resolve": frozenset({ACKNOWLEDGED, IN_PROGRESS}),
    "close": frozenset({RESOLVED}),
    "reopen": frozenset({RESOLVED}),
}
"""The states in which staff may take each step of WorkOnSupportRequest."""
STEPS_OF_OPENER = frozenset({"close", "reopen"})
"""The steps of the opening region. Both regions write notes; the region at fault takes the others."""

SUBJECT_LIMIT = 200  # characters
DESCRIPTION_LIMIT = 4000  # characters
TEXT_LIMIT = 1000  # characters of any later text
MOST_MEASUREMENTS = 100
HIGHEST_FIGURE = 1_000_000_000  # microseconds, or all packets
REQUEST_LIMIT = 32 * 1024  # bytes of a support request: half of an envelope's limit
TALK_LIMIT = 26 * 1024  # bytes of a request under discussion: its final step must always find room
OPENING_LIMIT = 20 * 1024  # bytes of a new request, so that both regions have room for notes


def state_name(state: SupportState.ValueType) -> str:
    """The name as TM Forum writes it, for example `inProgress`."""
    return camel_case(SupportState.DESCRIPTOR, state)


def is_ended(request: SupportRequest) -> bool:
    """Whether the work on the request has ended."""
    return request.state == CLOSED


def is_work_of(request: SupportRequest, region: str) -> bool:
    """Whether the staff of a region have to do the next step: the region at fault, then the one that has opened it."""
    is_resolved = request.state == RESOLVED
    return not is_ended(request) and region == (request.origin_region if is_resolved else request.owner_region)


def steps_of(request: SupportRequest, region: str) -> Sequence[str]:
    """The steps that the state of the request leaves to the staff of a region."""
    is_opener = request.origin_region == region
    is_owner = request.owner_region == region and request.version > 0

    def is_own(step: str) -> bool:
        if step == "note":
            return is_opener or is_owner
        return is_opener if step in STEPS_OF_OPENER else is_owner

    return [each for each, states in STATES_OF_STEPS.items() if request.state in states and is_own(each)]


def enter(request: SupportRequest, state: SupportState.ValueType, *, now: datetime, author: str, reason: str) -> None:
    """Moves a support request into a state and notes it. Raises ValueError for an impossible transition."""
    if request.state and state not in TRANSITIONS.get(request.state, ()):
        raise ValueError(f"a support request does not go from {state_name(request.state)} to {state_name(state)}")
    request.state = state
    request.state_changes.add(state=state, time=to_timestamp(now), author=author, reason=reason)


def require_state(request: SupportRequest, step: str) -> None:
    """Raises Refused with SUPPORT_STATE_FORBIDS unless the state of the support request allows a step."""
    if request.state not in STATES_OF_STEPS[step]:
        raise Refused(Reason.REASON_SUPPORT_STATE_FORBIDS, state=state_name(request.state), action=step)


def require_room(request: SupportRequest, more: int, limit: int = TALK_LIMIT) -> None:
    """Raises Refused with MESSAGE_TOO_LARGE where `more` bytes would exceed the limit."""
    require_size(request.ByteSize() + more, limit)


def note(request: SupportRequest, author: str, text: str, now: datetime) -> None:
    """Stores a note of either region. Raises Refused, also after the closure."""
    require_state(request, "note")
    require_room(request, len(text.encode()))
    request.notes.add(author=author, time=to_timestamp(now), text=text)


def require_inquiry(inquiry: SupportInquiry) -> None:
    """Raises Refused with REQUEST_INVALID for a malformed inquiry, whatever the network is."""
    require_length("inquiry.subject", inquiry.subject, SUBJECT_LIMIT, required=True)
    require_length("inquiry.description", inquiry.description, DESCRIPTION_LIMIT, required=True)
    field = "inquiry.measurements"
    if len(inquiry.measurements) > MOST_MEASUREMENTS:
        raise invalid(field, f"more than {MOST_MEASUREMENTS}", f"超过{MOST_MEASUREMENTS}项")
    if len({each.link for each in inquiry.measurements}) < len(inquiry.measurements):
        raise invalid(field, "a link is named twice", "同一链路出现两次")
    for each in inquiry.measurements:
        if not _is_in_range(each):
            raise invalid(field, "a figure is out of range", "有数值超出范围")
        if not _is_window(each):
            raise invalid(field, "no window of time", "没有时间窗口")


def is_well_formed(measurement: SupportMeasurement) -> bool:
    """Whether a measurement may be part of an inquiry."""
    return _is_in_range(measurement) and _is_window(measurement)


def at_fault(network: NetworkRegistry, inquiry: SupportInquiry) -> SupportFinding:
    """The region at fault, and the evidence: independent of the order of the measurements.

    A link's share in a bound of the class is its part of the design figures of all measured links. A design figure of 0
    counts as 1. Without a bound, the share is the design figure. The maintainer of the link with the largest multiple
    of its share is at fault, if it exceeds the share. Ties go to the first figure (delay, variation, loss), then to the
    first link id. Where no figure exceeds its share, the operator of the service is at fault.

    Raises Refused with NETWORK_SERVICE_UNKNOWN, LINK_UNKNOWN, SUPPORT_LINK_NOT_OF_SERVICE.
    """
    service = network.service(inquiry.service)
    links = {each.link: network.link(each.link) for each in inquiry.measurements}
    for link in links:
        if link not in service.links:
            raise Refused(Reason.REASON_SUPPORT_LINK_NOT_OF_SERVICE, service=service.id, link=link)
    bounds = network.quality_class(service.quality_class) if service.quality_class else QualityClass()
    breaches = [
        (-Fraction(measured) / share, figure, measurement.link, measured, share)
        for measurement in inquiry.measurements
        for figure, measured in _figures(measurement).items()
        if measured > (share := share_of(bounds, links, measurement.link, figure))
    ]
    if not breaches:
        return SupportFinding(region=service.region)
    _, figure, link, measured, share = min(breaches)
    return SupportFinding(region=links[link].region, link=link, figure=figure, measured=measured, share=int(share))


def share_of(bounds: QualityClass, links: Mapping[str, Link], link: str, figure: SupportFigure.ValueType) -> Fraction:
    """The share of a link in the bound of a figure, in its unit; without a bound the design figure."""
    own, bound = _by_design(links[link])[figure], _by_design(bounds)[figure]
    if not bound:
        return Fraction(max(own, 1))
    whole = sum(max(_by_design(each)[figure], 1) for each in links.values())
    return Fraction(bound * max(own, 1), whole)


def _by_design(what: Link | QualityClass) -> Mapping[SupportFigure.ValueType, int]:
    return {DELAY: what.delay_us, DELAY_VARIATION: what.delay_variation_us, LOSS: what.loss_ppb}


def _figures(measurement: SupportMeasurement) -> Mapping[SupportFigure.ValueType, int]:
    return {
        DELAY: measurement.delay_us,
        DELAY_VARIATION: measurement.delay_variation_us,
        LOSS: measurement.loss_ppb,
    }


def _is_in_range(measurement: SupportMeasurement) -> bool:
    return all(0 <= figure <= HIGHEST_FIGURE for figure in _figures(measurement).values())


def _is_window(measurement: SupportMeasurement) -> bool:
    start, end = measurement.start_time, measurement.end_time
    if not measurement.HasField("start_time") or not measurement.HasField("end_time"):
        return False
    return is_dated(start) and is_dated(end) and from_timestamp(start) < from_timestamp(end)
