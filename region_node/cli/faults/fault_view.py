"""The printed views of faults: lists, the state, its limits and its timeline."""

import click

from gateway.api.region.v1.fault_pb2 import (
    Fault,
    FaultCause,
    FaultOutage,
    FaultSeverity,
    FaultState,
    QuoteState,
    RepairMode,
    RepairPart,
)
from gateway.api.region.v1.fault_service_pb2 import FoundPlace
from gateway.cli.table import Table, TableColumn, show_timeline
from gateway.values.money import in_major_units
from gateway.wording.languages import in_language, translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set, told_time
from gateway.wording.words import value_word
from region_node.network.faults.course import done_by_people, given_back, happened, place_of, put_in
from region_node.network.faults.outages import due_of
from region_node.network.faults.rules import UNREPAIRED


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
    time, who, what = max(done_by_people(fault), key=lambda row: row[0])
    click.echo(f"{told_time(time)} {who}: {what}")
    print_told(fault)


def print_fault(fault: Fault) -> None:
    """Prints a fault in full: its state, its limits, its repair and its timeline."""
    print_told(fault)
    click.echo(f"{place_of(fault)} {fault.report.description}")
    if fault.report.alarm_id:
        click.echo(translated("The alarm {alarm} raised it.", alarm=fault.report.alarm_id))
    if fault.problem_id:
        cause = fault.root_cause_id or translated("the cause is not known")
        click.echo(translated("It belongs to the problem {problem}: {cause}", problem=fault.problem_id, cause=cause))
    if fault.cause:
        cause = value_word(FaultCause.DESCRIPTOR, fault.cause)
        click.echo(translated("Cause: {cause}. {text}", cause=cause, text=fault.resolution))
    _print_repair(fault)
    _OUTAGES.show(fault.outages)
    click.echo()
    show_timeline(happened(fault))
    for each in fault.review.measures:
        click.echo(
            translated("Measure: {what}; {owner}, by {date}", what=each.what, owner=each.owner, date=each.due_date)
        )


def _print_repair(fault: Fault) -> None:
    repair = fault.repair
    if repair.mode:
        mode = value_word(RepairMode.DESCRIPTOR, repair.mode)
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


def _kind(place: FoundPlace) -> str:
    kinds = {"site": translated("site"), "link": translated("link"), "service": translated("service")}
    return kinds.get(place.object.WhichOneof("object") or "", "")


def _severity(fault: Fault) -> str:
    return value_word(FaultSeverity.DESCRIPTOR, fault.severity)


def _state(fault: Fault) -> str:
    return value_word(FaultState.DESCRIPTOR, fault.state)


def _still_due(fault: Fault) -> str:
    """The limit of the repair; empty for a repaired fault, and for one without a legal limit."""
    due = due_of(fault)
    if due is None:
        return ""
    is_late = fault.outages[-1].HasField("breach_time")
    return f"{told_time(due)} {translated('late')}" if is_late else told_time(due)


FAULTS = Table[Fault](
    TableColumn("fault", lambda each: each.id),
    TableColumn("place", place_of),
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
    TableColumn("repaired at", lambda each: told_if_set(each.end_time)),
    TableColumn("rent given back", given_back),
)
_PARTS = Table[RepairPart](
    TableColumn("part", lambda each: str(each.number)),
    TableColumn("known as", lambda each: each.name),
    TableColumn("price", lambda each: in_major_units(each.price.minor_units, each.price.currency)),
    TableColumn("decision", lambda each: value_word(QuoteState.DESCRIPTOR, each.quote)),
    TableColumn("", put_in),
)
