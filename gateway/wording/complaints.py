"""The words for complaints, for staff of a region and for administrators: states, events, and whose time it was."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.federation.v1.configuration_pb2 import ComplaintSeverity
from gateway.api.region.v1.complaint_pb2 import (
    ClassifiedBy,
    ComplaintClassification,
    ComplaintState,
    ComplaintStateChange,
    Escalation,
    EscalationTrigger,
    LedgerEntry,
    TimeReason,
)
from gateway.time.clock import from_timestamp
from gateway.wording.languages import headed, remarked, translated
from gateway.wording.terms import category_name, region_name
from gateway.wording.times import Happening
from gateway.wording.words import value_word

_MINUTE = timedelta(minutes=1)


def state_word(state: ComplaintState.ValueType) -> str:
    """A state for people."""
    return value_word(ComplaintState.DESCRIPTOR, state)


def time_reason_word(reason: TimeReason.ValueType) -> str:
    """The printed word for the reason why a person spent time on a complaint."""
    return value_word(TimeReason.DESCRIPTOR, reason)


def is_at_filing(setting: ComplaintClassification.Setting) -> bool:
    """Whether the filer of the complaint set the category."""
    return setting.set_by == ClassifiedBy.CLASSIFIED_BY_FILING


def filing(
    filed: Timestamp,
    region: str,
    category: str,
    severity: ComplaintSeverity.ValueType,
    settings: Iterable[ComplaintClassification.Setting],
) -> Iterator[Happening]:
    """The events of a complaint's filing, with its category, and of its later classifications."""
    told = translated("filed without a category")
    if category:
        severity_word = value_word(ComplaintSeverity.DESCRIPTOR, severity)
        told = translated("filed as {category}, {severity}", category=category_name(category), severity=severity_word)
    yield from_timestamp(filed), region_name(region), told
    for each in settings:
        if not is_at_filing(each):
            by = value_word(ClassifiedBy.DESCRIPTOR, each.set_by)
            told = translated("classified as {category}: {by}", category=category_name(each.category), by=by)
            yield from_timestamp(each.time), region_name(each.author), told


def entered(changes: Iterable[ComplaintStateChange]) -> Iterator[Happening]:
    """The states that a complaint has entered."""
    for change in changes:
        reason = translated(change.reason)
        if change.estimated:
            reason = translated("{reason}; the time is an estimate", reason=reason)
        yield from_timestamp(change.time), region_name(change.region), remarked(state_word(change.state), reason)


def raised(escalations: Iterable[Escalation]) -> Iterator[Happening]:
    """The levels to which a complaint was raised."""
    for each in escalations:
        trigger = value_word(EscalationTrigger.DESCRIPTOR, each.trigger)
        yield from_timestamp(each.time), region_name(each.region), headed(f"L{each.level}", trigger)


def whole_of(ledger: Iterable[LedgerEntry]) -> timedelta:
    """All the time of a ledger."""
    return sum((each.duration.ToTimedelta() for each in ledger), timedelta())


def in_minutes(amount: timedelta) -> timedelta:
    """A length of time without its seconds."""
    return amount - amount % _MINUTE


def party_of(entry: LedgerEntry) -> str:
    """The holder of an entry of a ledger."""
    if entry.reason == TimeReason.TIME_REASON_WAITING_FOR_COORDINATOR:
        return translated("the coordinator")
    return region_name(entry.region) or translated("the customer")
