"""The course of a fault for people: each event with its time, its author and a text."""

from collections.abc import Iterator, Mapping

from gateway.api.region.v1.fault_pb2 import (
    Fault,
    FaultOutage,
    FaultSeverity,
    FaultState,
    FaultStep,
    QuoteState,
    RepairMilestone,
    RepairMode,
    RepairPart,
)
from gateway.time.clock import from_timestamp
from gateway.values.money import in_major_units
from gateway.wording.languages import remarked, translated
from gateway.wording.terms import region_name
from gateway.wording.times import Happening, told_if_set, told_time
from gateway.wording.words import value_word


def place_of(fault: Fault, names: Mapping[str, str] | None = None) -> str:
    """The place of a fault: its site, its link and its address.

    `names` are those of sites and links by their keys, `site/…` and `link/…`; an element without one has its id.
    """
    place, known = fault.report.place, names or {}
    site, link = known.get(f"site/{place.site}", place.site), known.get(f"link/{place.link}", place.link)
    return " ".join(filter(None, (site, link, place.address)))


def happened(fault: Fault) -> Iterator[Happening]:
    """Time, author and text of each event."""
    yield from done_by_people(fault)
    for outage in fault.outages:
        if outage.HasField("breach_time"):
            yield (
                from_timestamp(outage.breach_time),
                region_name(fault.owner_region),
                translated("the limit has passed"),
            )
        if outage.HasField("waiver"):
            yield from_timestamp(outage.waiver.time), region_name(fault.home_region), translated("rent given back")


def done_by_people(fault: Fault) -> Iterator[Happening]:
    """Time, author and text of each step; of simultaneous ones, the most significant first."""
    for change in fault.state_changes:
        told = remarked(value_word(FaultState.DESCRIPTOR, change.state), translated(change.reason))
        yield from_timestamp(change.time), region_name(change.region), told
    for note in fault.notes:
        yield from_timestamp(note.time), note.author, note.text
    for step in fault.steps:
        yield from_timestamp(step.time), step.author, _done(fault, step)
    for each in fault.repair.milestones:
        reached = value_word(RepairMilestone.DESCRIPTOR, each.milestone)
        yield from_timestamp(each.time), each.author, reached
    if fault.HasField("review"):
        yield from_timestamp(fault.review.time), fault.review.author, fault.review.summary


def _done(fault: Fault, step: FaultStep) -> str:
    """The step in words."""
    name = step.WhichOneof("step")
    match name:
        case "assessed":
            severity = value_word(FaultSeverity.DESCRIPTOR, step.assessed.severity)
            told = translated("assessed: {severity}", severity=severity)
            if step.assessed.terminal_caused:
                told = translated("assessed: {severity}, the customer's own terminal", severity=severity)
        case "estimated_time":
            told = translated("expected to be repaired by {time}", time=told_time(step.estimated_time))
        case "triaged":
            told = translated("repair: {mode}", mode=value_word(RepairMode.DESCRIPTOR, step.triaged))
        case "appointed":
            start, end = (told_time(each) for each in (step.appointed.start_time, step.appointed.end_time))
            told = translated("appointment agreed: {start} to {end}", start=start, end=end)
        case "assigned":
            told = translated("assigned to {engineer}", engineer=step.assigned)
        case "part_named" | "part_installed" | "price_accepted" | "price_refused":
            told = _done_to_part(fault, name, int(getattr(step, name)))
        case _:
            told = translated("a step that this version does not know")
    return told


def _done_to_part(fault: Fault, done: str, number: int) -> str:
    names = {each.number: each.name for each in fault.repair.parts}
    part = remarked(str(number), names[number]) if number in names else str(number)
    texts = {
        "part_named": translated("part {part} is to be replaced", part=part),
        "part_installed": translated("part {part} was put in", part=part),
        "price_accepted": translated("the price of part {part} was accepted", part=part),
        "price_refused": translated("the price of part {part} was refused", part=part),
    }
    return texts[done]


def put_in(part: RepairPart) -> str:
    """The time of a part's installation, and whether the customer pays for it."""
    told = told_if_set(part.install_time)
    if told and part.quote == QuoteState.QUOTE_STATE_ACCEPTED:
        told += f" {translated('charged') if part.charged else translated('not charged: ask for the money')}"
    return told


def given_back(outage: FaultOutage) -> str:
    """The rent given back for an outage, so far as it is known; empty for none."""
    if not outage.HasField("waiver"):
        return ""
    known, amount = outage.waiver.HasField("amount"), outage.waiver.amount
    return in_major_units(amount.minor_units, amount.currency) if known else translated("yes")
