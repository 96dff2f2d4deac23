"""`region-node complaints`: file a complaint, follow it, answer it, close it."""

from datetime import timedelta

import click
from google.protobuf.duration_pb2 import Duration

from gateway.api.region.v1 import complaint_service_pb2 as api
from gateway.api.region.v1.complaint_pb2 import ComplaintChannel, ComplaintRequest, ComplaintState, Remedy, ReturnReason
from gateway.api.region.v1.complaint_service_pb2_grpc import ComplaintServiceStub
from gateway.api.types.v1.types_pb2 import Money
from gateway.cli.asking import limit_option
from gateway.cli.option_words import option_words
from gateway.wording.languages import translated
from region_node.care.complaints.rules import NOT_SAID, state_name
from region_node.cli.asking import Asking, reads, writes
from region_node.cli.complaints.attachments import attach, attachment
from region_node.cli.complaints.complaint_desk import category_and_description, classify
from region_node.cli.complaints.complaint_import import import_file
from region_node.cli.complaints.complaint_levels import escalations
from region_node.cli.complaints.complaint_view import COMPLAINTS, print_complaint, print_told
from region_node.cli.complaints.dossier import dossier
from region_node.cli.complaints.improvement import actions
from region_node.cli.completing import complete_categories, complete_causes
from region_node.cli.listed_contacts import require_contacts
from region_node.cli.options import AmountType, channel_option, staff_option

_WAIT = Duration(seconds=10)  # for the owner region
_TAKEN_UP = Duration(seconds=3)  # of waiting at filing, for whether the number has a customer
_CAME_BY = option_words(ComplaintChannel.items())
_REMEDIES = option_words(Remedy.items())
_RETURNS = {name: value for name, value in option_words(ReturnReason.items()).items() if value not in NOT_SAID}
_STATES = {state_name(state): state for state in ComplaintState.values()[1:]}


@click.group()
def complaints() -> None:
    """File complaints in any region, follow them, answer them and close them."""


@complaints.command()
@writes(staff_option, done="it was taken in")
@click.argument("number")
@click.argument("words", nargs=-1, required=True, metavar="[CATEGORY] DESCRIPTION")
@click.option(
    "--remedy", type=click.Choice(list(_REMEDIES)), default="explanation", show_default=True, help="What is sought."
)
@click.option("--by", type=click.Choice(list(_CAME_BY)), default="counter", show_default=True, help="How it came in.")
@click.option("--contact", default="", help="The number on which the customer is told; NUMBER unless given.")
@click.option("--location", default="", help="The region in which it happened.")
@click.option("--rural", is_flag=True, help="It happened in the countryside, where some limits are longer.")
def file(
    asking: Asking, number: str, words: tuple[str, ...], remedy: str, by: str, contact: str, location: str, rural: bool
) -> None:
    """File a complaint about NUMBER and print its ticket id, who is responsible, and by when it is answered.

    Without a category it takes the one that the description speaks for; where that is not clear, a desk sets it.

    \b
    Examples:
      region-node complaints file 13912345678 BILL_WRONG "charged twice in March" --remedy refund --staff-id 4711
    """
    category, description = category_and_description(words)
    filed = ComplaintRequest(
        category=category,
        number=number,
        contact_number=contact,
        description=description,
        remedy_sought=_REMEDIES[remedy],
        channel=_CAME_BY[by],
        location_region=location,
        rural_area=rural,
        requester=asking.requester,
    )
    request = api.FileComplaintRequest(complaint=filed, wait=_TAKEN_UP)
    asking.tell(asking.ask(lambda channel: ComplaintServiceStub(channel).FileComplaint, request).complaint, print_told)


@complaints.command("list")
@reads(limit_option(), staff_option)
@click.option("--number", default="", help="Only those about this number.")
@click.option("--contact", default="", help="Only those whose contact has this number.")
@click.option("--category", default="", shell_complete=complete_categories, help="Only those of this category.")
@click.option("--unclassified", is_flag=True, help="Only those of which nobody has said yet what they are about.")
@click.option("--state", "states", multiple=True, type=click.Choice(tuple(_STATES)), help="Only those in these states.")
@click.option("--due-within", type=float, help="Only those with fewer hours than this left; 0 for what is overdue.")
def list_command(
    asking: Asking,
    number: str,
    contact: str,
    category: str,
    unclassified: bool,
    states: tuple[str, ...],
    due_within: float | None,
) -> None:
    """List complaints, newest first.

    \b
    Examples:
      region-node complaints list --due-within 0
      region-node complaints list --state pending --json
    """
    request = api.ListComplaintsRequest(
        states=[_STATES[each] for each in states],
        category=category,
        number=number,
        contact_number=contact,
        unclassified=unclassified,
    )
    if due_within is not None:
        request.due_within.FromTimedelta(timedelta(hours=due_within))
    found = asking.ask(lambda channel: ComplaintServiceStub(channel).ListComplaints, request)
    require_contacts(contact, (each.request.contact_number for each in found.complaints))
    asking.show(found, COMPLAINTS, found.complaints)


@complaints.command()
@reads(staff_option)
@click.argument("ticket_id")
def show(asking: Asking, ticket_id: str) -> None:
    """Show a complaint: its deadlines, its timeline, and a bar of who held it how long.

    \b
    Examples:
      region-node complaints show guangdong/20261210-17 --staff-id 4711
    """
    request = api.GetComplaintRequest(ticket_id=ticket_id)
    told = asking.ask(lambda channel: ComplaintServiceStub(channel).GetComplaint, request)
    asking.tell(told, print_complaint)


@complaints.command()
@writes(staff_option, channel_option)
@click.argument("ticket_id")
@click.argument("text")
@click.option("--ask", is_flag=True, help="The customer has to answer first; staff of the owner region only.")
@click.option("--ask-region", default="", help="Another region that the complaint concerns, and that has to answer.")
def respond(asking: Asking, ticket_id: str, text: str, ask: bool, ask_region: str) -> None:
    """Answer a complaint as the responsible department, or pass on what the customer says; or ask another region.

    \b
    Examples:
      region-node complaints respond guangdong/20261210-17 "which month was it?" --ask
      region-node complaints respond guangdong/20261210-17 "it was March" --staff-id 4711
      region-node complaints respond guangdong/20261210-17 "please send the receipt" --ask-region guangdong
    """
    request = api.RespondToComplaintRequest(
        ticket_id=ticket_id, text=text, ask_customer=ask, ask_region=ask_region, wait=_WAIT
    )
    asking.tell(
        asking.ask(lambda channel: ComplaintServiceStub(channel).RespondToComplaint, request).complaint, print_told
    )


@complaints.command()
@writes()
@click.argument("ticket_id")
@click.argument("text")
def note(asking: Asking, ticket_id: str, text: str) -> None:
    """Write down, as staff, what only this region's staff see; it never leaves the region.

    \b
    Examples:
      region-node complaints note guangdong/20261210-17 "the third call this week"
    """
    request = api.AddPrivateNoteRequest(ticket_id=ticket_id, text=text)
    told = asking.ask(lambda channel: ComplaintServiceStub(channel).AddPrivateNote, request)
    asking.say(told, lambda: translated("Noted. Private notes: {count}.", count=len(told.private_notes)))


@complaints.command()
@writes()
@click.argument("ticket_id")
@click.argument("cause", shell_complete=complete_causes)
@click.argument("text")
@click.option(
    "--remedy", type=click.Choice(list(_REMEDIES)), default="explanation", show_default=True, help="What is given."
)
@click.option("--amount", type=AmountType(), help="Of a refund or a credit: 1200 is in fen, 12.00 in yuan.")
@click.option("--currency", default="CNY", show_default=True, help="Of the amount.")
def propose(
    asking: Asking, ticket_id: str, cause: str, text: str, remedy: str, amount: int | None, currency: str
) -> None:
    """Propose a resolution as staff of the owner region; CAUSE is a code of the federation, such as
    billing-error: `region-node call CatalogueService.GetTerms` lists them.

    \b
    Examples:
      region-node complaints propose guangdong/20261210-17 billing-error "refunded" --remedy refund --amount 1200
    """
    request = api.ProposeResolutionRequest(
        ticket_id=ticket_id,
        text=text,
        cause_code=cause,
        remedy=_REMEDIES[remedy],
        amount=None if amount is None else Money(minor_units=amount, currency=currency),
    )
    asking.tell(
        asking.ask(lambda channel: ComplaintServiceStub(channel).ProposeResolution, request).complaint, print_told
    )


@complaints.command("return")
@writes()
@click.argument("ticket_id")
@click.argument("reason", type=click.Choice(list(_RETURNS)))
@click.argument("text")
def return_command(asking: Asking, ticket_id: str, reason: str, text: str) -> None:
    """Give a complaint, or a work item, back to the coordinator, as staff of the owner region.

    \b
    Examples:
      region-node complaints return guangdong/20261210-17/1 not-here "the line was never in our network"
    """
    request = api.ReturnComplaintRequest(ticket_id=ticket_id, reason=_RETURNS[reason], text=text)
    asking.tell(
        asking.ask(lambda channel: ComplaintServiceStub(channel).ReturnComplaint, request).complaint, print_told
    )


@complaints.command()
@writes(staff_option, channel_option)
@click.argument("ticket_id")
@click.option("--rating", type=click.IntRange(1, 5), help="How satisfied the customer is.")
def accept(asking: Asking, ticket_id: str, rating: int | None) -> None:
    """The customer accepts the resolution, which closes the complaint.

    \b
    Examples:
      region-node complaints accept guangdong/20261210-17 --rating 5 --staff-id 4711
    """
    request = api.AcceptResolutionRequest(ticket_id=ticket_id, rating=rating or 0, wait=_WAIT)
    asking.tell(
        asking.ask(lambda channel: ComplaintServiceStub(channel).AcceptResolution, request).complaint, print_told
    )


@complaints.command()
@writes(staff_option, channel_option)
@click.argument("ticket_id")
@click.argument("reason")
@click.option("--to-regulator", is_flag=True, help="The customer wants the regulator.")
def refuse(asking: Asking, ticket_id: str, reason: str, to_regulator: bool) -> None:
    """The customer refuses the resolution, which opens the complaint again and raises it.

    \b
    Examples:
      region-node complaints refuse guangdong/20261210-17 "too little" --staff-id 4711
    """
    request = api.RefuseResolutionRequest(ticket_id=ticket_id, reason=reason, to_regulator=to_regulator, wait=_WAIT)
    asking.tell(
        asking.ask(lambda channel: ComplaintServiceStub(channel).RefuseResolution, request).complaint, print_told
    )


@complaints.command()
@writes(staff_option, channel_option)
@click.argument("ticket_id")
@click.argument("reason")
def withdraw(asking: Asking, ticket_id: str, reason: str) -> None:
    """The customer withdraws the complaint.

    \b
    Examples:
      region-node complaints withdraw guangdong/20261210-17 "it was a mistake" --staff-id 4711
    """
    request = api.WithdrawComplaintRequest(ticket_id=ticket_id, reason=reason, wait=_WAIT)
    asking.tell(
        asking.ask(lambda channel: ComplaintServiceStub(channel).WithdrawComplaint, request).complaint, print_told
    )


@complaints.command()
@writes(staff_option, channel_option)
@click.argument("ticket_id")
def expedite(asking: Asking, ticket_id: str) -> None:
    """The customer asks for haste: at most once an hour, and the answer has a limit of its own.

    \b
    Examples:
      region-node complaints expedite guangdong/20261210-17 --staff-id 4711
    """
    request = api.ExpediteComplaintRequest(ticket_id=ticket_id, wait=_WAIT)
    asking.tell(
        asking.ask(lambda channel: ComplaintServiceStub(channel).ExpediteComplaint, request).complaint, print_told
    )


@complaints.command()
@writes()
@click.argument("ticket_id")
@click.option("--again", is_flag=True, help="Have the home region asked once more.")
@click.option("--otherwise", default="", help="How the money was given in another way.")
def settle(asking: Asking, ticket_id: str, again: bool, otherwise: str) -> None:
    """Settle money that the home region has refused to book, as staff of the owner region.

    \b
    Examples:
      region-node complaints settle guangdong/20261210-17 --again
      region-node complaints settle guangdong/20261210-17 --otherwise "paid in cash on the 3rd"
    """
    if again == bool(otherwise):
        raise click.UsageError(translated("Say --again, or --otherwise and how."))
    request = api.SettleRemedyRequest(ticket_id=ticket_id)
    if again:
        request.again.SetInParent()
    else:
        request.otherwise = otherwise
    asking.tell(asking.ask(lambda channel: ComplaintServiceStub(channel).SettleRemedy, request).complaint, print_told)


for _command in (actions, attach, attachment, classify, dossier, escalations, import_file):
    complaints.add_command(_command)
