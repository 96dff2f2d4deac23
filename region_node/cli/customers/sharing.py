"""`region-node sharing`: records of customers of any region, their consent, and their own view of who looked."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import click
import grpc
from google.protobuf.message import Message

from gateway.api.federation.v1.configuration_pb2 import LegalBasis, SharedField
from gateway.api.region.v1 import sharing_service_pb2 as api
from gateway.api.region.v1.sharing_service_pb2_grpc import SharingServiceStub
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Requester
from gateway.clock import to_timestamp
from gateway.languages import translated
from region_node.cli.completing import complete_purposes, complete_regions
from region_node.cli.connection import Target, connection_options
from region_node.cli.customers.sharing_proof import WAYS, Proof, prove
from region_node.cli.customers.sharing_report import (
    print_consent,
    print_disclosures,
    print_grants,
    print_purposes,
    print_record,
    print_withdrawal,
)
from region_node.cli.exits import NOT_KNOWN, REFUSED, leave
from region_node.cli.options import channel_option, json_option, print_message, required_staff_option
from region_node.cli.outcome import may_pass, told_by
from region_node.cli.times import DayOrInstantType, ending

P = ParamSpec("P")
T = TypeVar("T", bound=Message)
L = TypeVar("L", api.ListGrantsResponse, api.ListDisclosuresResponse)
_TIMEOUT = 30.0  # seconds for one answer
_BASES = tuple(name.removeprefix("LEGAL_BASIS_").lower().replace("_", "-") for name in LegalBasis.keys()[1:])
_FIELDS = tuple(name.removeprefix("SHARED_FIELD_").lower().replace("_", "-") for name in SharedField.keys()[1:])
_APPLICANTS = ("holder", "agent", "enterprise")
_PAGE = 200

Call = Callable[[grpc.aio.Channel], Awaitable[T]]


@dataclass(frozen=True)
class Asking:
    """What every command is told: which node, for which request, who asks, and how to print the answer."""

    target: Target
    request_id: str
    requester: Requester
    as_json: bool


_COMMON = (
    required_staff_option,
    channel_option,
    click.option("--request-id", default="", help="The id of this request; a new one unless given."),
    json_option,
)
_PERSON = (
    click.option(
        "--verify",
        type=click.Choice(WAYS),
        default="code",
        show_default=True,
        help="How the customer proves to be the customer: a code is sent, a password is asked for; "
        "what the customer says is read from the terminal or from standard input.",
    ),
    click.option("--applicant", type=click.Choice(_APPLICANTS), default="holder", show_default=True, help="Who it is."),
)


def _filled(context: click.Context, parameter: click.Parameter, value: str | None) -> str:
    """An option that says something where it is given: an empty one is a mistake, and not as if it were left out."""
    if value is not None and not value.strip():
        raise click.BadParameter(translated("It is empty."), ctx=context, param=parameter)
    return value or ""


_SIGNED = click.option(
    "--paper",
    callback=_filled,
    metavar="ID",
    help="Instead: the signed paper that you have seen and put on file as SHARING_CONSENT, as `documents list` names "
    "it; with --decline where it is filed.",
)
_PAPER = click.option("--paper", callback=_filled, help="Instead: where the signed paper is filed that you have seen.")
_FIELD = click.option(
    "--field", "fields", multiple=True, type=click.Choice(_FIELDS), help="Only this field. May be given several times."
)


def asking_options(command: Callable[Concatenate[Asking, P], None]) -> Callable[..., None]:
    """Adds the options that all commands share; the command is given an Asking first."""

    @wraps(command)
    def asked(
        target: Target,
        staff_id: str,
        channel: str,
        request_id: str,
        as_json: bool,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        requester = Requester(staff_id=staff_id, channel=Channel.Value(f"CHANNEL_{channel.upper()}"))
        command(Asking(target, request_id or f"cli-{uuid.uuid4().hex}", requester, as_json), *args, **kwargs)

    decorated: Callable[..., None] = asked
    for option in reversed(_COMMON):
        decorated = option(decorated)
    return connection_options(decorated)


def person_options(command: Callable[P, None]) -> Callable[P, None]:
    """Adds the options by which the customer proves to be the customer."""
    decorated = command
    for option in reversed(_PERSON):
        decorated = option(decorated)
    return decorated


@click.group()
def sharing() -> None:
    """Read records of customers of any region, record and withdraw consent, and show customers who looked."""


@sharing.command()
@connection_options
@json_option
def purposes(target: Target, as_json: bool) -> None:
    """Show what records are shared for: what a customer is told before consenting.

    \b
    Example:
      region-node sharing purposes --lang zh

    \b
    Exit codes:
      0  shown
      1  refused; the text says why
      2  the command line or the credentials cannot be used
      3  the node is away; ask again
    """
    asking = Asking(target, "", Requester(), as_json)
    request = api.ListPurposesRequest()
    answer = _run(asking, lambda channel: SharingServiceStub(channel).ListPurposes(request, timeout=_TIMEOUT))
    _print(asking, answer, print_purposes)


@sharing.command()
@click.argument("number")
@asking_options
@click.option(
    "--purpose",
    required=True,
    shell_complete=complete_purposes,
    help="What for: the name of a purpose of the federation.",
)
@click.option("--basis", type=click.Choice(_BASES), default="consent", show_default=True, help="By what right.")
@click.option("--order-id", default="", help="For contract-necessity: the order about NUMBER that is in progress.")
@click.option("--reference", default="", help="For legal-duty: the file number of what obliges.")
@_FIELD
def read(
    asking: Asking, number: str, purpose: str, basis: str, order_id: str, reference: str, fields: Sequence[str]
) -> None:
    """Read what a purpose may see of the customer with NUMBER, clear or masked.

    The home region answers, and the customer can see that it was asked. A refusal is an answer too; its exit code
    is 1. A duty of law is claimed with the certificate of a member of staff alone.

    \b
    Examples:
      region-node sharing read +8619851000001 --purpose counter-service --staff-id 4711
      region-node sharing read +8619851000001 --purpose installation --basis contract-necessity \\
        --order-id guangdong/crm/R1 --field address --staff-id 4711
      region-node sharing read +8619851000001 --purpose fraud-investigation --basis legal-duty \\
        --reference 'GD-FRAUD[2026]17' --staff-id 4711 --json

    \b
    Exit codes:
      0  a record, clear or masked
      1  refused; the text says why
      2  the command line or the credentials cannot be used; nothing was asked
      3  the home region or the node is away; ask again
    """
    request = api.ReadSharedCustomerRequest(
        request_id=asking.request_id,
        number=number,
        purpose=purpose,
        legal_basis=LegalBasis.Value(f"LEGAL_BASIS_{_enum(basis)}"),
        order_id=order_id,
        reference=reference,
        fields=_fields(fields),
        requester=asking.requester,
    )
    answer = _run(asking, lambda channel: SharingServiceStub(channel).ReadSharedCustomer(request, timeout=_TIMEOUT))
    _print(asking, answer, print_record)
    if answer.HasField("refusal"):
        raise SystemExit(REFUSED)


@sharing.command()
@click.argument("number")
@asking_options
@click.option("--reader", required=True, shell_complete=complete_regions, help="The region that may read, or may not.")
@click.option(
    "--purpose",
    required=True,
    shell_complete=complete_purposes,
    help="What for: the name of a purpose of the federation.",
)
@click.option("--decline", is_flag=True, help="Record that the customer does not want it.")
@_FIELD
@click.option(
    "--until",
    type=DayOrInstantType(),
    help="Until when: a day, or a time as 2026-12-24T01:00+08:00; as long as the purpose allows unless given.",
)
@person_options
@_SIGNED
def consent(
    asking: Asking,
    number: str,
    reader: str,
    purpose: str,
    decline: bool,
    fields: Sequence[str],
    until: date | None,
    verify: str,
    applicant: str,
    paper: str,
) -> None:
    """Record that the customer with NUMBER lets a region read, or declines.

    Run again with the same --request-id, nothing is done twice. A later decision takes the place of this one.

    \b
    Examples:
      region-node sharing consent +8619851000001 --reader guangdong --purpose counter-service --staff-id 4711
      region-node sharing consent +8619851000001 --reader guangdong --purpose complaint-handling \\
        --paper guangdong/crm/R17 --until 2026-12-31 --staff-id 4711

    \b
    Exit codes:
      0  recorded
      1  refused; the text says why
      2  the command line or the credentials cannot be used; nothing was done
      3  not known whether it was recorded: run it again with the --request-id that the text names
    """
    granted, declined = api.ConsentDecision.CONSENT_DECISION_GRANTED, api.ConsentDecision.CONSENT_DECISION_DECLINED
    proof = Proof(number, verify, paper, asking.request_id, asking.requester)

    async def ask(channel: grpc.aio.Channel) -> api.GiveConsentResponse:
        request = api.GiveConsentRequest(
            request_id=asking.request_id,
            number=number,
            reader=reader,
            purpose=purpose,
            decision=declined if decline else granted,
            fields=_fields(fields),
            end_time=None if until is None else to_timestamp(await ending(channel, until)),
            applicant=_applicant(applicant),
            documents=await prove(channel, proof),
            paper=paper,
            requester=asking.requester,
        )
        return await SharingServiceStub(channel).GiveConsent(request, timeout=_TIMEOUT)

    _print(asking, _run(asking, ask), print_consent)


@sharing.command()
@click.argument("number")
@asking_options
@click.option("--grant", "grant_id", default="", help="Only this grant.")
@click.option("--reader", default="", shell_complete=complete_regions, help="Only what this region may read.")
@click.option("--purpose", default="", shell_complete=complete_purposes, help="Only for this purpose.")
@person_options
@_PAPER
def withdraw(
    asking: Asking,
    number: str,
    grant_id: str,
    reader: str,
    purpose: str,
    verify: str,
    applicant: str,
    paper: str,
) -> None:
    """Withdraw the consent of the customer with NUMBER: all of it, or what the options name.

    Once it has ended well, no region reads by it any more.

    \b
    Examples:
      region-node sharing withdraw +8619851000001 --staff-id 4711
      region-node sharing withdraw +8619851000001 --reader guangdong --verify password --staff-id 4711

    \b
    Exit codes:
      0  withdrawn
      1  refused; the text says why
      2  the command line or the credentials cannot be used; nothing was done
      3  not known whether it was withdrawn: run it again
    """
    proof = Proof(number, verify, paper, asking.request_id, asking.requester)

    async def ask(channel: grpc.aio.Channel) -> api.WithdrawConsentResponse:
        request = api.WithdrawConsentRequest(
            request_id=asking.request_id,
            number=number,
            grant_id=grant_id,
            reader=reader,
            purpose=purpose,
            applicant=_applicant(applicant),
            documents=await prove(channel, proof),
            paper=paper,
            requester=asking.requester,
        )
        return await SharingServiceStub(channel).WithdrawConsent(request, timeout=_TIMEOUT)

    _print(asking, _run(asking, ask), print_withdrawal)


@sharing.command()
@click.argument("number")
@asking_options
@person_options
def grants(asking: Asking, number: str, verify: str, applicant: str) -> None:
    """Show the customer with NUMBER what was decided, newest first.

    \b
    Example:
      region-node sharing grants +8619851000001 --staff-id 4711

    \b
    Exit codes:
      0  shown
      1  refused; the text says why
      2  the command line or the credentials cannot be used
      3  the home region or the node is away; ask again
    """
    proof = Proof(number, verify, "", asking.request_id, asking.requester)

    async def ask(channel: grpc.aio.Channel) -> api.ListGrantsResponse:
        request = api.ListGrantsRequest(
            request_id=asking.request_id,
            number=number,
            applicant=_applicant(applicant),
            documents=await prove(channel, proof),
            page_size=_PAGE,
            requester=asking.requester,
        )
        stub, whole = SharingServiceStub(channel), api.ListGrantsResponse()
        return await _all_pages(request, lambda: stub.ListGrants(request, timeout=_TIMEOUT), whole)

    _print(asking, _run(asking, ask), print_grants)


@sharing.command()
@click.argument("number")
@asking_options
@person_options
def disclosures(asking: Asking, number: str, verify: str, applicant: str) -> None:
    """Show the customer with NUMBER who saw what, when and why, and who was refused; newest first.

    It tells of records that were shared, and of profiles, bills and documents that other regions asked for.

    \b
    Example:
      region-node sharing disclosures +8619851000001 --staff-id 4711 --verify password

    \b
    Exit codes:
      0  shown
      1  refused; the text says why
      2  the command line or the credentials cannot be used
      3  the home region or the node is away; ask again
    """
    proof = Proof(number, verify, "", asking.request_id, asking.requester)

    async def ask(channel: grpc.aio.Channel) -> api.ListDisclosuresResponse:
        request = api.ListDisclosuresRequest(
            request_id=asking.request_id,
            number=number,
            applicant=_applicant(applicant),
            documents=await prove(channel, proof),
            page_size=_PAGE,
            requester=asking.requester,
        )
        stub, whole = SharingServiceStub(channel), api.ListDisclosuresResponse()
        return await _all_pages(request, lambda: stub.ListDisclosures(request, timeout=_TIMEOUT), whole)

    _print(asking, _run(asking, ask), print_disclosures)


async def _all_pages(
    request: api.ListGrantsRequest | api.ListDisclosuresRequest, ask: Callable[[], Awaitable[L]], whole: L
) -> L:
    """All that `ask` tells for the request, page by page, in `whole`."""
    while True:
        page = await ask()
        whole.MergeFrom(page)  # the rows of lists are added
        request.page_token = page.next_page_token
        if not request.page_token:
            whole.ClearField("next_page_token")
            return whole


def _enum(option: str) -> str:
    return option.upper().replace("-", "_")


def _fields(fields: Sequence[str]) -> list[SharedField.ValueType]:
    return [SharedField.Value(f"SHARED_FIELD_{_enum(each)}") for each in fields]


def _applicant(applicant: str) -> Applicant.ValueType:
    return Applicant.Value(f"APPLICANT_{applicant.upper()}")


def _run(asking: Asking, call: Call[T]) -> T:
    """What the node answers; ends the process where it refuses or is away."""

    async def run() -> T:
        async with asking.target.channel() as channel:
            return await call(channel)

    try:
        return asyncio.run(run())
    except grpc.aio.AioRpcError as error:
        if not may_pass(error):
            leave(translated("Refused: {problem}", problem=told_by(error, asking.target)), REFUSED)
        again = translated("Ask again with --request-id {id}.", id=asking.request_id) if asking.request_id else ""
        leave(f"{told_by(error, asking.target)}\n{again}".strip(), NOT_KNOWN)


def _print(asking: Asking, answer: T, show: Callable[[T], None]) -> None:
    if asking.as_json:
        print_message(answer)
    else:
        show(answer)
