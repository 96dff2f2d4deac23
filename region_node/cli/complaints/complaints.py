"""`region-node complaints`: file a complaint, follow it, answer it, close it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import click
from google.protobuf.duration_pb2 import Duration

from gateway.api.region.v1 import complaint_service_pb2 as api
from gateway.api.region.v1.complaint_pb2 import (
    ComplaintChannel,
    ComplaintRequest,
    ComplaintState,
    Remedy,
    ReturnReason,
)
from gateway.api.region.v1.complaint_service_pb2_grpc import ComplaintServiceStub
from gateway.api.types.v1.types_pb2 import Money
from gateway.languages import translated
from region_node.care.complaints.rules import NOT_SAID, state_name
from region_node.cli.asking import answer_of
from region_node.cli.complaints.complaint_desk import category_and_description
from region_node.cli.complaints.complaint_view import print_complaint, print_list, print_told
from region_node.cli.completing import complete_categories, complete_causes
from region_node.cli.connection import Target, connection_options
from region_node.cli.options import (
    AmountType,
    channel_option,
    json_option,
    print_message,
    request_id_of,
    request_option,
    requester_of,
    staff_option,
)

T = TypeVar("T")

_CALL_SECONDS = 30.0
_WAIT_SECONDS = 10  # for the responsible region
_TAKEN_UP = Duration(seconds=3)  # for it to say at filing whether the number has a customer
_CAME_BY = tuple(name.removeprefix("COMPLAINT_CHANNEL_").lower() for name in ComplaintChannel.keys()[1:])
_REMEDIES = tuple(name.removeprefix("REMEDY_").lower() for name in Remedy.keys()[1:])
_RETURNS = tuple(
    name.removeprefix("RETURN_REASON_").lower().replace("_", "-")
    for name, value in ReturnReason.items()
    if value not in NOT_SAID
)
_STATES = {state_name(state): state for state in ComplaintState.values()[1:]}


@click.group()
def complaints() -> None:
    """File complaints in any region, follow them, answer them and close them."""


@complaints.command()
@click.argument("number")
@click.argument("words", nargs=-1, required=True, metavar="[CATEGORY] DESCRIPTION")
@connection_options
@click.option(
    "--remedy", type=click.Choice(_REMEDIES), default="explanation", show_default=True, help="What is sought."
)
@click.option("--by", type=click.Choice(_CAME_BY), default="counter", show_default=True, help="How it came in.")
@click.option("--contact", default="", help="The number on which the customer is told; NUMBER unless given.")
@click.option("--location", default="", help="The region in which it happened.")
@click.option("--rural", is_flag=True, help="It happened in the countryside, where some limits are longer.")
@staff_option
@request_option
@json_option
def file(
    target: Target,
    number: str,
    words: tuple[str, ...],
    remedy: str,
    by: str,
    contact: str,
    location: str,
    rural: bool,
    staff_id: str,
    request_id: str,
    as_json: bool,
) -> None:
    """File a complaint about NUMBER and print its docket number, who is responsible, and by when it is answered.

    Without a category it takes the one that the description speaks for; where that is not clear, a desk sets it.

    \b
    Examples:
      region-node complaints file 13912345678 BILL_WRONG "charged twice in March" --remedy refund --staff-id 4711

    \b
    Exit codes:
      0  it was taken in
      1  refused; the text says why
      2  the command line or the credentials cannot be used
      3  not known: run it again with the request id that is told
    """
    category, description = category_and_description(words)
    filed = ComplaintRequest(
        category=category,
        number=number,
        contact_number=contact,
        description=description,
        remedy_sought=Remedy.Value(f"REMEDY_{remedy.upper()}"),
        channel=ComplaintChannel.Value(f"COMPLAINT_CHANNEL_{by.upper()}"),
        location_region=location,
        rural_area=rural,
        requester=requester_of(staff_id, "counter"),
    )
    request = api.FileComplaintRequest(request_id=request_id_of(request_id), complaint=filed, wait=_TAKEN_UP)
    _tell(_ask(target, lambda node: node.FileComplaint(request, timeout=_CALL_SECONDS), request.request_id), as_json)


@complaints.command("list")
@connection_options
@click.option("--number", default="", help="Only those about this number.")
@click.option("--category", default="", shell_complete=complete_categories, help="Only those of this category.")
@click.option("--unclassified", is_flag=True, help="Only those of which nobody has said yet what they are about.")
@click.option("--state", "states", multiple=True, type=click.Choice(tuple(_STATES)), help="Only those in these states.")
@click.option("--due-within", type=float, help="Only those with fewer hours than this left; 0 for what is overdue.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="At most so many.")
@staff_option
@json_option
def list_command(
    target: Target,
    number: str,
    category: str,
    unclassified: bool,
    states: tuple[str, ...],
    due_within: float | None,
    limit: int,
    staff_id: str,
    as_json: bool,
) -> None:
    """List complaints, newest first.

    \b
    Examples:
      region-node complaints list --due-within 0
      region-node complaints list --state pending --json
    """
    request = api.ListComplaintsRequest(
        page_size=limit,
        requester=requester_of(staff_id, "counter"),
        states=[_STATES[each] for each in states],
        category=category,
        number=number,
        unclassified=unclassified,
    )
    if due_within is not None:
        request.due_within.FromTimedelta(timedelta(hours=due_within))
    found = _ask(target, lambda node: node.ListComplaints(request, timeout=_CALL_SECONDS))
    if as_json:
        print_message(found)
    else:
        print_list(found.complaints)


@complaints.command()
@click.argument("docket")
@connection_options
@staff_option
@json_option
def show(target: Target, docket: str, staff_id: str, as_json: bool) -> None:
    """Show a complaint: its deadlines, its timeline, and a bar of who held it how long.

    \b
    Examples:
      region-node complaints show guangdong/20261210-17 --staff-id 4711
    """
    request = api.GetComplaintRequest(docket=docket, requester=requester_of(staff_id, "counter"))
    told = _ask(target, lambda node: node.GetComplaint(request, timeout=_CALL_SECONDS))
    if as_json:
        print_message(told)
    else:
        print_complaint(told)


@complaints.command()
@click.argument("docket")
@click.argument("text")
@connection_options
@click.option("--ask", is_flag=True, help="The customer has to answer first; staff of the responsible region only.")
@click.option("--ask-region", default="", help="Another region that the complaint concerns, and that has to answer.")
@staff_option
@channel_option
@request_option
@json_option
def respond(
    target: Target,
    docket: str,
    text: str,
    ask: bool,
    ask_region: str,
    staff_id: str,
    channel: str,
    request_id: str,
    as_json: bool,
) -> None:
    """Answer a complaint as the responsible department, or pass on what the customer says; or ask another region.

    \b
    Examples:
      region-node complaints respond guangdong/20261210-17 "which month was it?" --ask
      region-node complaints respond guangdong/20261210-17 "it was March" --staff-id 4711
      region-node complaints respond guangdong/20261210-17 "please send the receipt" --ask-region guangdong
    """
    request = api.RespondToComplaintRequest(
        request_id=request_id_of(request_id),
        docket=docket,
        requester=requester_of(staff_id, channel),
        text=text,
        ask_customer=ask,
        ask_region=ask_region,
        wait=_wait(),
    )
    _tell(
        _ask(target, lambda node: node.RespondToComplaint(request, timeout=_CALL_SECONDS), request.request_id), as_json
    )


@complaints.command()
@click.argument("docket")
@click.argument("text")
@connection_options
@request_option
@json_option
def note(target: Target, docket: str, text: str, request_id: str, as_json: bool) -> None:
    """Write down, as staff, what only this region's staff see; it never leaves the region.

    \b
    Examples:
      region-node complaints note guangdong/20261210-17 "the third call this week"
    """
    request = api.AddPrivateNoteRequest(request_id=request_id_of(request_id), docket=docket, text=text)
    told = _ask(target, lambda node: node.AddPrivateNote(request, timeout=_CALL_SECONDS), request.request_id)
    if as_json:
        print_message(told)
    else:
        click.echo(translated("Noted. Private notes: {count}.", count=len(told.private_notes)))


@complaints.command()
@click.argument("docket")
@click.argument("cause", shell_complete=complete_causes)
@click.argument("text")
@connection_options
@click.option("--remedy", type=click.Choice(_REMEDIES), default="explanation", show_default=True, help="What is given.")
@click.option("--amount", type=AmountType(), help="Of a refund or a credit: 1200 is in fen, 12.00 in yuan.")
@click.option("--currency", default="CNY", show_default=True, help="Of the amount.")
@request_option
@json_option
def propose(
    target: Target,
    docket: str,
    cause: str,
    text: str,
    remedy: str,
    amount: int | None,
    currency: str,
    request_id: str,
    as_json: bool,
) -> None:
    """Propose a resolution as staff of the responsible region; CAUSE is a code of the federation, such as
    billing-error: `region-node call CatalogueService.ListResolutionCauses` lists them.

    \b
    Examples:
      region-node complaints propose guangdong/20261210-17 billing-error "refunded" --remedy refund --amount 1200
    """
    request = api.ProposeResolutionRequest(
        request_id=request_id_of(request_id),
        docket=docket,
        text=text,
        cause_code=cause,
        remedy=Remedy.Value(f"REMEDY_{remedy.upper()}"),
        amount=None if amount is None else Money(minor_units=amount, currency=currency),
    )
    _tell(
        _ask(target, lambda node: node.ProposeResolution(request, timeout=_CALL_SECONDS), request.request_id), as_json
    )


@complaints.command("return")
@click.argument("docket")
@click.argument("reason", type=click.Choice(_RETURNS))
@click.argument("text")
@connection_options
@request_option
@json_option
def return_command(target: Target, docket: str, reason: str, text: str, request_id: str, as_json: bool) -> None:
    """Give a complaint, or a work item, back to the coordinator, as staff of the responsible region.

    \b
    Examples:
      region-node complaints return guangdong/20261210-17/1 not-here "the line was never in our network"
    """
    request = api.ReturnComplaintRequest(
        request_id=request_id_of(request_id),
        docket=docket,
        reason=ReturnReason.Value(f"RETURN_REASON_{reason.upper().replace('-', '_')}"),
        text=text,
    )
    _tell(_ask(target, lambda node: node.ReturnComplaint(request, timeout=_CALL_SECONDS), request.request_id), as_json)


@complaints.command()
@click.argument("docket")
@connection_options
@click.option("--rating", type=click.IntRange(1, 5), help="How satisfied the customer is.")
@staff_option
@channel_option
@request_option
@json_option
def accept(
    target: Target, docket: str, rating: int | None, staff_id: str, channel: str, request_id: str, as_json: bool
) -> None:
    """The customer accepts the resolution, which closes the complaint.

    \b
    Examples:
      region-node complaints accept guangdong/20261210-17 --rating 5 --staff-id 4711
    """
    request = api.AcceptResolutionRequest(
        request_id=request_id_of(request_id),
        docket=docket,
        requester=requester_of(staff_id, channel),
        rating=rating or 0,
        wait=_wait(),
    )
    _tell(_ask(target, lambda node: node.AcceptResolution(request, timeout=_CALL_SECONDS), request.request_id), as_json)


@complaints.command()
@click.argument("docket")
@click.argument("reason")
@connection_options
@click.option("--to-regulator", is_flag=True, help="The customer wants the regulator.")
@staff_option
@channel_option
@request_option
@json_option
def refuse(
    target: Target,
    docket: str,
    reason: str,
    to_regulator: bool,
    staff_id: str,
    channel: str,
    request_id: str,
    as_json: bool,
) -> None:
    """The customer refuses the resolution, which opens the complaint again and raises it.

    \b
    Examples:
      region-node complaints refuse guangdong/20261210-17 "too little" --staff-id 4711
    """
    request = api.RefuseResolutionRequest(
        request_id=request_id_of(request_id),
        docket=docket,
        requester=requester_of(staff_id, channel),
        reason=reason,
        to_regulator=to_regulator,
        wait=_wait(),
    )
    _tell(_ask(target, lambda node: node.RefuseResolution(request, timeout=_CALL_SECONDS), request.request_id), as_json)


@complaints.command()
@click.argument("docket")
@click.argument("reason")
@connection_options
@staff_option
@channel_option
@request_option
@json_option
def withdraw(
    target: Target, docket: str, reason: str, staff_id: str, channel: str, request_id: str, as_json: bool
) -> None:
    """The customer withdraws the complaint.

    \b
    Examples:
      region-node complaints withdraw guangdong/20261210-17 "it was a mistake" --staff-id 4711
    """
    request = api.WithdrawComplaintRequest(
        request_id=request_id_of(request_id),
        docket=docket,
        requester=requester_of(staff_id, channel),
        reason=reason,
        wait=_wait(),
    )
    _tell(
        _ask(target, lambda node: node.WithdrawComplaint(request, timeout=_CALL_SECONDS), request.request_id), as_json
    )


@complaints.command()
@click.argument("docket")
@connection_options
@staff_option
@channel_option
@request_option
@json_option
def expedite(target: Target, docket: str, staff_id: str, channel: str, request_id: str, as_json: bool) -> None:
    """The customer asks for haste: at most once an hour, and the answer has a limit of its own.

    \b
    Examples:
      region-node complaints expedite guangdong/20261210-17 --staff-id 4711
    """
    request = api.ExpediteComplaintRequest(
        request_id=request_id_of(request_id), docket=docket, requester=requester_of(staff_id, channel), wait=_wait()
    )
    _tell(
        _ask(target, lambda node: node.ExpediteComplaint(request, timeout=_CALL_SECONDS), request.request_id), as_json
    )


@complaints.command()
@click.argument("docket")
@connection_options
@click.option("--again", is_flag=True, help="Have the home region asked once more.")
@click.option("--otherwise", default="", help="How the money was given in another way.")
@request_option
@json_option
def settle(target: Target, docket: str, again: bool, otherwise: str, request_id: str, as_json: bool) -> None:
    """Settle money that the home region has refused to book, as staff of the responsible region.

    \b
    Examples:
      region-node complaints settle guangdong/20261210-17 --again
      region-node complaints settle guangdong/20261210-17 --otherwise "paid in cash on the 3rd"
    """
    if again == bool(otherwise):
        raise click.UsageError(translated("Say --again, or --otherwise and how."))
    request = api.SettleRemedyRequest(request_id=request_id_of(request_id), docket=docket)
    if again:
        request.again.SetInParent()
    else:
        request.otherwise = otherwise
    _tell(_ask(target, lambda node: node.SettleRemedy(request, timeout=_CALL_SECONDS), request.request_id), as_json)


def _wait() -> Duration:
    return Duration(seconds=_WAIT_SECONDS)


def _ask(target: Target, call: Callable[[ComplaintServiceStub], Awaitable[T]], request_id: str = "") -> T:
    return answer_of(target, lambda channel: call(ComplaintServiceStub(channel)), request_id)


def _tell(
    answer: api.FileComplaintResponse
    | api.RespondToComplaintResponse
    | api.ProposeResolutionResponse
    | api.ReturnComplaintResponse
    | api.AcceptResolutionResponse
    | api.RefuseResolutionResponse
    | api.WithdrawComplaintResponse
    | api.ExpediteComplaintResponse
    | api.SettleRemedyResponse,
    as_json: bool,
) -> None:
    if as_json:
        print_message(answer.complaint)
    else:
        print_told(answer.complaint)
