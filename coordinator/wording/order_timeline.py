"""The path of an order through the federation, from the notes of its regions, as one list of events."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from coordinator.wording.answers import why_not_taken
from gateway.api.coordinator.v1.administration_pb2 import GetOrderTraceResponse
from gateway.api.region.v1.order_oversight_service_pb2 import EnvelopeTrace
from gateway.api.region.v1.order_pb2 import OrderState, StateChange
from gateway.api.region.v1.quarantine_service_pb2 import QuarantineState
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.time.clock import from_timestamp
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.words import change_reason, value_word


@dataclass(frozen=True)
class Hop:
    """An event. The time is by the clock of its party."""

    time: datetime
    party: str
    event: str
    about: str


def timeline(response: GetOrderTraceResponse) -> list[Hop]:
    """All events of an order, oldest first, each once although both regions know the states."""
    hops = dict.fromkeys(_hops(response))
    return sorted(hops, key=lambda hop: hop.time)


def unanswered_envelopes(response: GetOrderTraceResponse) -> list[str]:
    """The envelopes that wait for their receipt, in words."""
    return [
        _waiting(envelope)
        for region in response.traces
        for envelope in region.trace.envelopes
        if not envelope.journey.stamps
    ]


def _waiting(envelope: EnvelopeTrace) -> str:
    if envelope.quarantine_state == QuarantineState.QUARANTINE_STATE_WAITING:
        return translated(
            "{envelope}: waits for people of {region}: `region-node quarantine show envelope/{id}`",
            envelope=_about(envelope),
            region=region_name(envelope.origin),
            id=envelope.envelope_id,
        )
    if envelope.quarantine_state == QuarantineState.QUARANTINE_STATE_GIVEN_UP:
        region = region_name(envelope.origin)
        return translated("{envelope}: given up by staff of {region}", envelope=_about(envelope), region=region)
    if envelope.not_taken_reason:
        why = why_not_taken(envelope.not_taken_reason, envelope.destination)
        return translated("{envelope}: not taken so far: {why}", envelope=_about(envelope), why=why)
    return translated(
        "{envelope}: no receipt yet; whether and how often it was sent is known only with the receipt",
        envelope=_about(envelope),
    )


def seconds_between(hops: Sequence[Hop]) -> list[float | None]:
    """The time from the hop before to each hop, in seconds; None for the first."""
    gaps = [(later.time - sooner.time).total_seconds() for sooner, later in itertools.pairwise(hops)]
    return [None, *gaps] if hops else []


def _hops(response: GetOrderTraceResponse) -> Iterator[Hop]:
    for region in response.traces:
        for change in region.trace.state_changes:
            yield _state(change)
        for envelope in region.trace.envelopes:
            for stamp in envelope.journey.stamps:
                yield Hop(
                    from_timestamp(stamp.time), region_name(stamp.party), translated(stamp.event), _about(envelope)
                )


def _state(change: StateChange) -> Hop:
    event = translated("order {state}", state=value_word(OrderState.DESCRIPTOR, change.state))
    return Hop(from_timestamp(change.time), region_name(change.region), event, change_reason(change.reason))


def _about(envelope: EnvelopeTrace) -> str:
    kind = value_word(EnvelopeKind.DESCRIPTOR, envelope.kind)
    return f"{kind} {region_name(envelope.origin)} → {region_name(envelope.destination)}"
