"""The printed views of complaints: lists, the timeline, and the ledger."""

import click

from gateway.api.federation.v1.problem_pb2 import ProblemHeader, ProblemState
from gateway.api.region.v1.complaint_pb2 import (
    Complaint,
    ComplaintAttachment,
    ComplaintCandidate,
    ComplaintClassification,
    Deadline,
    DeadlineKind,
    Remedy,
    RemedyState,
    ReturnReason,
    WorkItem,
    WorkItemState,
)
from gateway.api.region.v1.complaint_service_pb2 import GetComplaintResponse
from gateway.cli.complaints import show_ledger
from gateway.cli.problems import told_cause
from gateway.cli.table import Table, TableColumn, show_timeline
from gateway.time.clock import from_timestamp
from gateway.values.money import in_major_units
from gateway.wording.complaints import state_word
from gateway.wording.languages import in_language, translated
from gateway.wording.terms import category_name, region_name
from gateway.wording.times import told_if_set, told_time
from gateway.wording.words import value_word
from region_node.care.complaints.course import happened, length_of
from region_node.care.complaints.rules import ANSWERED, is_on_its_way, is_unclassified, is_with_nobody

COMPLAINTS = Table[Complaint](
    TableColumn("ticket id", lambda each: each.ticket_id),
    TableColumn("category", lambda each: category_name(each.request.category) or translated("not classified")),
    TableColumn("state", lambda each: state_word(each.state)),
    TableColumn("level", lambda each: f"L{each.level}"),
    TableColumn("responsible", lambda each: translated("nobody yet") if is_with_nobody(each) else _owner(each)),
    TableColumn("due", lambda each: told_time(each.expected_resolution_time)),
)
"""The table of complaints."""
_ITEMS = Table[tuple[Complaint, WorkItem]](
    TableColumn("work item", lambda each: each[1].ticket_id or f"{each[0].ticket_id}/{each[1].number}"),
    TableColumn("responsible", lambda each: _item_owner(each[1])),
    TableColumn("state", lambda each: _item_state(each[1])),
    TableColumn("since", lambda each: told_time(each[1].state_time)),
)
_DEADLINES = Table[Deadline](
    TableColumn("deadline", lambda each: value_word(DeadlineKind.DESCRIPTOR, each.kind)),
    TableColumn("due", lambda each: told_time(each.due_time)),
    TableColumn("met", lambda each: told_if_set(each.met_time) or "-"),
)
_ATTACHMENTS = Table[ComplaintAttachment](
    TableColumn("attachment", lambda each: each.id),
    TableColumn("known as", lambda each: each.name),
    TableColumn("type", lambda each: each.media_type),
    TableColumn("bytes", lambda each: str(each.size)),
)
_CANDIDATES = Table[ComplaintCandidate](
    TableColumn("category", lambda each: category_name(each.category)),
    TableColumn("confidence", lambda each: f"{each.confidence:.1%}"),
    TableColumn("words", lambda each: " ".join(word.text for word in each.words)),
)


def _network_problem(header: ProblemHeader) -> str:
    """The line about a complaint's network problem."""
    return translated(
        "It belongs to the network problem {problem}: {cause}, {state}, since {time}.",
        problem=header.id,
        cause=told_cause(header),
        state=value_word(ProblemState.DESCRIPTOR, header.state),
        time=told_time(header.start_time),
    )


def print_told(complaint: Complaint) -> None:
    """Prints the state of a complaint in a line, as sent to the customer at filing."""
    if is_unclassified(complaint):
        told = translated(
            "{ticket_id}: {state}, L{level}; not classified: the desk of {region} says what it is about",
            ticket_id=complaint.ticket_id,
            state=state_word(complaint.state),
            level=complaint.level,
            region=region_name(complaint.owner_region),
        )
        click.echo(told)
        _print_about_number(complaint)
        return
    stands = {
        "ticket_id": complaint.ticket_id,
        "state": state_word(complaint.state),
        "level": complaint.level,
        "region": region_name(complaint.owner_region),
        "department": in_language(complaint.department),
    }
    if complaint.state in ANSWERED:
        told = translated("{ticket_id}: {state}, L{level}; {region} {department} is responsible", **stands)
    elif is_with_nobody(complaint):
        told = translated(
            "{ticket_id}: {state}, L{level}; nobody has it yet: the coordinator says whose work it is", **stands
        )
    elif complaint.number_unassigned:
        told = translated("{ticket_id}: {state}, L{level}; {region} {department} has it", **stands)
    else:
        due = told_time(complaint.expected_resolution_time)
        told = translated("{ticket_id}: {state}, L{level}; {region} {department} answers by {due}", **stands, due=due)
        if is_on_its_way(complaint):
            told = translated(
                "{ticket_id}: {state}, L{level}; {region} {department} is asked; it answers by"
                " {due} if it has the line",
                **stands,
                due=due,
            )
    click.echo(told)
    _print_about_number(complaint)


def _print_about_number(complaint: Complaint) -> None:
    """Prints that the number is unassigned: the filer may have mistyped it."""
    if complaint.number_unassigned:
        click.echo(
            translated("No customer of {region} has the number: check it.", region=region_name(complaint.home_region))
        )
    elif not complaint.home_region:
        click.echo(translated("The number is of no region of the federation: check it."))


def print_complaint(told: GetComplaintResponse) -> None:
    """Prints a complaint in full: its state, its deadlines, its timeline and its ledger."""
    complaint = told.complaint
    print_told(complaint)
    click.echo(complaint.request.description)
    if complaint.case_id:
        click.echo(translated("It is a work item of {ticket_id}.", ticket_id=complaint.case_id))
    if complaint.repeated_ticket_id:
        click.echo(translated("It repeats {ticket_id}.", ticket_id=complaint.repeated_ticket_id))
    if complaint.group_id:
        click.echo(translated("It belongs to the group {group}.", group=complaint.group_id))
    for each in told.network_problems:
        click.echo(_network_problem(each))
    print_proposal(complaint.classification)
    if complaint.external_id:
        click.echo(translated("It was imported; its ticket id before: {reference}.", reference=complaint.external_id))
    if complaint.HasField("remedy"):
        print_remedy(complaint)
    if told.HasField("remedy_lateness"):
        late = told.remedy_lateness.ToTimedelta()
        click.echo(translated("The money is late by {time}.", time=length_of(late)))
    if complaint.items:
        _ITEMS.show([(complaint, each) for each in complaint.items])
    _DEADLINES.show(complaint.deadlines)
    click.echo()
    private = [
        (from_timestamp(each.time), each.author, translated("private: {text}", text=each.text))
        for each in told.private_notes
    ]
    show_timeline([*happened(complaint), *private])
    click.echo()
    if complaint.attachments:
        _ATTACHMENTS.show(complaint.attachments)
        click.echo()
    show_ledger(told.ledger, length_of)
    if told.HasField("lateness"):
        late = told.lateness.ToTimedelta()
        click.echo(translated("Late by {time}; the time above says with whom it was.", time=length_of(late)))


def print_proposal(classification: ComplaintClassification) -> None:
    """Prints the proposals from the text, with their confidence; nothing for a named category."""
    if not classification.candidates:
        return
    proposed = category_name(classification.proposed_category) or translated("none clearly enough")
    click.echo(translated("Proposed by its words: {category}", category=proposed))
    _CANDIDATES.show(classification.candidates)


def print_remedy(complaint: Complaint) -> None:
    """Prints the state of an accepted resolution's money, the next actor, and the home region's refusal."""
    money = complaint.remedy
    told = translated(
        "{remedy} of {amount}: {state} since {time}; order {order}",
        remedy=value_word(Remedy.DESCRIPTOR, money.remedy),
        amount=in_major_units(money.amount.minor_units, money.amount.currency),
        state=value_word(RemedyState.DESCRIPTOR, money.state),
        time=told_time(money.state_time),
        order=money.order_id or "-",
    )
    click.echo(told)
    if money.awaiting_action:
        region = money.awaiting_region or translated("the federation")
        action = translated(money.awaiting_action)
        click.echo(translated("Waits for {region}: {action}", region=region_name(region), action=action))
    if money.error.reason:
        click.echo(translated("Not booked: {problem}", problem=in_language(money.error.message)))
    if money.note:
        click.echo(translated("Settled by {author}: {note}", author=money.author, note=money.note))


def _owner(complaint: Complaint) -> str:
    return f"{region_name(complaint.owner_region)} {in_language(complaint.department)}"


def _item_owner(item: WorkItem) -> str:
    return (
        f"{region_name(item.region)} {in_language(item.department.name)}" if item.region else translated("nobody yet")
    )


def _item_state(item: WorkItem) -> str:
    state = value_word(WorkItemState.DESCRIPTOR, item.state)
    if item.returned.reason:
        state = f"{state} ({value_word(ReturnReason.DESCRIPTOR, item.returned.reason)})"
    return state
