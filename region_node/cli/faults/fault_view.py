"""The printed views of faults: lists, the state, its limits and its timeline."""

from collections.abc import Iterator
from datetime import datetime

import click

from gateway.api.region.v1.fault_pb2 import (
    Fault,
    FaultCause,
    FaultOutage,
    FaultSeverity,
    FaultState,
    FaultStep,
    QuoteState,
    RepairMilestone,
    RepairMode,
    RepairPart,
)
from gateway.api.region.v1.fault_service_pb2 import FoundPlace
from gateway.cli.table import Table, TableColumn, show_timeline
from gateway.time.clock import from_timestamp
from gateway.values.money import in_major_units
from gateway.wording.languages import in_language, translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set, told_time
from gateway.wording.words import word
from region_node.network.faults.outages import due_of
from region_node.network.faults.rules import UNREPAIRED

_STATE = "FAULT_STATE_"


def print_told(fault: Fault) -> None:
    """Prints the state of a fault in a line, as sent to the customer at reporting and later."""
    if fault.state not in UNREPAIRED:
        words = {
            "fault": fault.id,
            "state": _state(fault),
            "severity": _severity(fault),
            "region": region_name(fault.owner_region),
        }
        click.echo(translated("{fault}: {state}, {severity}; in {region}", **words))
        return
    told = translated(
        "{fault}: {state}, {severity}; {region} repairs it by {due}",
        fault=fault.id,
        state=_state(fault),
        severity=_severity(fault),
        region=region_name(fault.owner_region),
        due=told_time(fault.expected_resolution_time),
    )
    click.echo(told)


def print_done(fault: Fault) -> None:
    """Prints the last step, in the form of the timeline, and the state of the fault since."""
    time, who, what = max(_done_by_people(fault), key=lambda row: row[0])
    click.echo(f"{told_time(time)} {who}: {what}")
    print_told(fault)


def print_fault(fault: Fault) -> None:
    """Prints a fault in full: its state, its limits, its repair and its timeline."""
    print_told(fault)
    click.echo(f"{_place(fault)} {fault.report.description}")
    if fault.report.alarm_id:
        click.echo(translated("The alarm {alarm} raised it.", alarm=fault.report.alarm_id))
    if fault.problem_id:
        cause = fault.root_cause_id or translated("the cause is not known")
        click.echo(translated("It belongs to the problem {problem}: {cause}", problem=fault.problem_id, cause=cause))
    if fault.cause:
        cause = word(FaultCause.Name(fault.cause), "FAULT_CAUSE_")
        click.echo(translated("Cause: {cause}. {text}", cause=cause, text=fault.resolution))
    _print_repair(fault)
    _OUTAGES.show(fault.outages)
    click.echo()
    show_timeline(_happened(fault))
    for each in fault.review.measures:
        click.echo(
            translated("Measure: {what}; {owner}, by {date}", what=each.what, owner=each.owner, date=each.due_date)
        )


def _print_repair(fault: Fault) -> None:
    repair = fault.repair
    if repair.mode:
        mode = word(RepairMode.Name(repair.mode), "REPAIR_MODE_")
        told = translated("Repair: {mode}; engineer {engineer}", mode=mode, engineer=repair.engineer or "-")
        click.echo(told)
    if repair.appointments:
        last = repair.appointments[-1]
        start, end = (told_time(each) for each in (last.start_time, last.end_time))
        click.echo(translated("Appointment: {start} to {end}", start=start, end=end))
    if repair.parts:
        _PARTS.show(repair.parts)
    if fault.HasField("evaluation"):
        said = fault.evaluation
        told = translated(
            "The customer says: attitude {attitude}, quality {quality}, speed {speed} of 5. {text}",
            attitude=said.attitude,
            quality=said.quality,
            speed=said.speed,
            text=said.text,
        )
        click.echo(told)


def _put_in(part: RepairPart) -> str:
    """The time of a part's installation, and whether the customer pays for it."""
    put_in = told_if_set(part.install_time)
    if put_in and part.quote == QuoteState.QUOTE_STATE_ACCEPTED:
        put_in += f" {translated('charged') if part.charged else translated('not charged: ask for the money')}"
    return put_in


def _given_back(outage: FaultOutage) -> str:
    if not outage.HasField("waiver"):
        return ""
    known, amount = outage.waiver.HasField("amount"), outage.waiver.amount
    return in_major_units(amount.minor_units, amount.currency) if known else translated("yes")


def _kind(place: FoundPlace) -> str:
    kinds = {"site": translated("site"), "link": translated("link"), "service": translated("service")}
    return kinds.get(place.object.WhichOneof("object") or "", "")


def _happened(fault: Fault) -> Iterator[tuple[datetime, str, str]]:
    """Time, author and text of each event."""
    yield from _done_by_people(fault)
    for outage in fault.outages:
        if outage.HasField("breach_time"):
            yield (
                from_timestamp(outage.breach_time),
                region_name(fault.owner_region),
                translated("the limit has passed"),
            )
        if outage.HasField("waiver"):
            yield from_timestamp(outage.waiver.time), region_name(fault.home_region), translated("rent given back")


def _done_by_people(fault: Fault) -> Iterator[tuple[datetime, str, str]]:
    """Time, author and text of each step; of simultaneous ones, the most significant first."""
    for change in fault.state_changes:
        told = f"{word(FaultState.Name(change.state), _STATE)} ({translated(change.reason)})"
        yield from_timestamp(change.time), region_name(change.region), told
    for note in fault.notes:
        yield from_timestamp(note.time), note.author, note.text
    for step in fault.steps:
        yield from_timestamp(step.time), step.author, _done(fault, step)
    for each in fault.repair.milestones:
        reached = word(RepairMilestone.Name(each.milestone), "REPAIR_MILESTONE_")
        yield from_timestamp(each.time), each.author, reached
    if fault.HasField("review"):
        yield from_timestamp(fault.review.time), fault.review.author, fault.review.summary


def _done(fault: Fault, step: FaultStep) -> str:
    """The step in words."""
    name = step.WhichOneof("step")
    match name:
        case "assessed":
            severity = word(FaultSeverity.Name(step.assessed.severity), "FAULT_SEVERITY_")
            told = translated("assessed: {severity}", severity=severity)
            if step.assessed.terminal_caused:
                told = translated("assessed: {severity}, the customer's own terminal", severity=severity)
        case "estimated_time":
            told = translated("expected to be repaired by {time}", time=told_time(step.estimated_time))
        case "triaged":
            told = translated("repair: {mode}", mode=word(RepairMode.Name(step.triaged), "REPAIR_MODE_"))
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
    part = f"{number} ({names[number]})" if number in names else str(number)
    texts = {
        "part_named": translated("part {part} is to be replaced", part=part),
        "part_installed": translated("part {part} was put in", part=part),
        "price_accepted": translated("the price of part {part} was accepted", part=part),
        "price_refused": translated("the price of part {part} was refused", part=part),
    }
    return texts[done]


def _place(fault: Fault) -> str:
    place = fault.report.place
    return " ".join(each for each in (place.site, place.link, place.address) if each)


def _severity(fault: Fault) -> str:
    return word(FaultSeverity.Name(fault.severity), "FAULT_SEVERITY_")


def _state(fault: Fault) -> str:
    return word(FaultState.Name(fault.state), _STATE)


def _still_due(fault: Fault) -> str:
    """The limit of the repair; empty for a repaired fault, and for one without a legal limit."""
    due = due_of(fault)
    if due is None:
        return ""
    is_late = fault.outages[-1].HasField("breach_time")
    return f"{told_time(due)} {translated('late')}" if is_late else told_time(due)


FAULTS = Table[Fault](
    TableColumn("fault", lambda each: each.id),
    TableColumn("place", _place),
    TableColumn("severity", _severity),
    TableColumn("state", _state),
    TableColumn("region", lambda each: region_name(each.owner_region)),
    TableColumn("due", _still_due),
)
"""The table of faults."""
PLACES = Table[FoundPlace](
    TableColumn("kind", _kind),
    TableColumn("id", lambda each: each.object.site or each.object.link or each.object.service),
    TableColumn("known as", lambda each: in_language(each.name)),
    TableColumn("region", lambda each: region_name(each.region)),
    TableColumn("", lambda each: translated("in the countryside") if each.rural else ""),
)
"""The table of places that a report may name."""
_OUTAGES = Table[FaultOutage](
    TableColumn("not repaired since", lambda each: told_time(each.start_time)),
    TableColumn("due", lambda each: told_time(each.due_time)),
    TableColumn("late", lambda each: translated("yes") if each.HasField("breach_time") else ""),
    TableColumn("repaired", lambda each: told_if_set(each.end_time)),
    TableColumn("rent given back", _given_back),
)
_PARTS = Table[RepairPart](
    TableColumn("part", lambda each: str(each.number)),
    TableColumn("known as", lambda each: each.name),
    TableColumn("price", lambda each: in_major_units(each.price.minor_units, each.price.currency)),
    TableColumn("decision", lambda each: word(QuoteState.Name(each.quote), "QUOTE_STATE_")),
    TableColumn("", _put_in),
)
