"""`region-node sharing`: records of customers of any region, their consents, and their disclosures."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import IO, ParamSpec

import click

from gateway.api.federation.v1.configuration_pb2 import LegalBasis, SharedField
from gateway.api.region.v1 import sharing_service_pb2 as api
from gateway.api.region.v1.sharing_service_pb2_grpc import SharingServiceStub
from gateway.api.types.v1.types_pb2 import Document
from gateway.cli.asking import request_option
from gateway.cli.exits import REFUSED
from gateway.cli.option_words import option_words
from gateway.time.clock import to_timestamp
from gateway.wording.languages import translated
from region_node.cli.asking import Asking, reads, writes
from region_node.cli.completing import complete_purposes, complete_regions
from region_node.cli.duty_statement import first_statement
from region_node.cli.options import APPLICANTS, channel_option, required_staff_option
from region_node.cli.sharing.sharing_proof import WAYS, proven
from region_node.cli.sharing.sharing_report import (
    DISCLOSURES,
    GRANTS,
    PURPOSES,
    print_confirmed,
    print_consent,
    print_record,
    print_withdrawal,
)
from region_node.cli.times import DayOrInstantType, ending

P = ParamSpec("P")
_BASES = option_words(LegalBasis.items())
_FIELDS = option_words(SharedField.items())
_PAGE = 200


_PERSON = (
    click.option(
        "--verify",
        type=click.Choice(WAYS),
        default="code",
        show_default=True,
        help="How the customer proves to be the customer: a code is sent, a password is asked for; "
        "what the customer says is read from the terminal or from standard input.",
    ),
    click.option(
        "--applicant", type=click.Choice(list(APPLICANTS)), default="holder", show_default=True, help="Who it is."
    ),
)


def _filled(context: click.Context, parameter: click.Parameter, value: str | None) -> str:
    """Checks that a given option is not empty: an empty one is a mistake, and differs from a missing one."""
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
    "--field",
    "fields",
    multiple=True,
    type=click.Choice(list(_FIELDS)),
    help="Only this field. May be given several times.",
)


def person_options(command: Callable[P, None]) -> Callable[P, None]:
    """Adds the options that verify the customer."""
    decorated = command
    for option in reversed(_PERSON):
        decorated = option(decorated)
    return decorated


@click.group()
def sharing() -> None:
    """Read records of customers of any region, record and withdraw consent, and show customers who looked."""


@sharing.command()
@reads()
def purposes(asking: Asking) -> None:
    """Show what records are shared for: what a customer is told before consenting.

    \b
    Example:
      region-node sharing purposes --lang zh
    """
    answer = asking.ask(lambda channel: SharingServiceStub(channel).ListPurposes, api.ListPurposesRequest())
    asking.show(answer, PURPOSES, answer.purposes)


@sharing.command()
@reads(required_staff_option, channel_option, request_option, done="a record, clear or masked")
@click.argument("number")
@click.option(
    "--purpose",
    required=True,
    shell_complete=complete_purposes,
    help="What for: the name of a purpose of the federation.",
)
@click.option("--basis", type=click.Choice(list(_BASES)), default="consent", show_default=True, help="By what right.")
@click.option("--order-id", default="", help="For contract-necessity: the order about NUMBER that is in progress.")
@click.option("--reference", default="", help="For legal-duty: the file number of what obliges.")
@click.option(
    "--approver-statement",
    type=click.File(encoding="utf-8"),
    help="For legal-duty and a customer of another region: the file that the second person has made.",
)
@_FIELD
def read(
    asking: Asking,
    number: str,
    purpose: str,
    basis: str,
    order_id: str,
    reference: str,
    approver_statement: IO[str] | None,
    fields: Sequence[str],
) -> None:
    """Read what a purpose may see of the customer with NUMBER, clear or masked.

    The home region answers, and the customer can see that it was asked. A refusal is an answer too; its exit code
    is 1. A duty of law is claimed with the certificate of a member of staff alone, and a second one confirms it first
    (`approvals confirm`); then run the same command again. For a customer of another region the second one makes a
    statement, too (`approvals statement`).

    \b
    Examples:
      region-node sharing read +8619851000001 --purpose counter-service --staff-id 4711
      region-node sharing read +8619851000001 --purpose installation --basis contract-necessity \\
        --order-id guangdong/crm/R1 --field address --staff-id 4711
      region-node sharing read +8619851000001 --purpose fraud-investigation --basis legal-duty \\
        --reference 'GD-FRAUD[2026]17' --approver-statement zhao.statement --staff-id 4711 --json
    """
    request = api.ReadSharedCustomerRequest(
        number=number,
        purpose=purpose,
        legal_basis=_BASES[basis],
        order_id=order_id,
        reference=reference,
        fields=[_FIELDS[each] for each in fields],
        approver_statement="" if approver_statement is None else approver_statement.read().strip(),
    )
    if request.legal_basis == LegalBasis.LEGAL_BASIS_LEGAL_DUTY:
        request.statement = first_statement(asking.link.server.credentials, number, purpose, reference)
    answer = asking.ask(lambda channel: SharingServiceStub(channel).ReadSharedCustomer, request)
    asking.tell(answer, print_record)
    if answer.HasField("refusal"):
        raise SystemExit(REFUSED)


@sharing.command()
@writes(required_staff_option, channel_option, done="recorded")
@click.argument("number")
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
@click.option(
    "--contact", default="", help="Another contact of the customer that gets the code: its number, or 138****1234."
)
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
    contact: str,
    paper: str,
) -> None:
    """Record that the customer with NUMBER lets a region read, or declines.

    Run again with the same --request-id, nothing is done twice. A later decision takes the place of this one.

    \b
    Examples:
      region-node sharing consent +8619851000001 --reader guangdong --purpose counter-service --staff-id 4711
      region-node sharing consent +8619851000001 --reader guangdong --purpose complaint-handling \\
        --paper guangdong/crm/R17 --until 2026-12-31 --staff-id 4711
    """
    granted, declined = api.ConsentDecision.CONSENT_DECISION_GRANTED, api.ConsentDecision.CONSENT_DECISION_DECLINED
    request = api.GiveConsentRequest(
        number=number,
        reader=reader,
        purpose=purpose,
        decision=declined if decline else granted,
        fields=[_FIELDS[each] for each in fields],
        end_time=None if until is None else to_timestamp(ending(asking.link, until)),
        applicant=APPLICANTS[applicant],
        documents=_proven(asking, number, verify, paper, contact),
        paper=paper,
    )
    asking.tell(asking.ask(lambda channel: SharingServiceStub(channel).GiveConsent, request), print_consent)


@sharing.command()
@writes(done="confirmed")
@click.argument("number")
@click.option("--grant", "grant_id", default="", help="Only this grant.")
@click.option("--reader", default="", shell_complete=complete_regions, help="Only what this region may read.")
@click.option("--purpose", default="", shell_complete=complete_purposes, help="Only for this purpose.")
@click.option("--objects", is_flag=True, help="The customer does not want it: withdraw it.")
def confirm(asking: Asking, number: str, grant_id: str, reader: str, purpose: str, objects: bool) -> None:
    """Record what the customer with NUMBER has said to you about consents on paper that wait.

    For staff of the home region. Another region has seen the paper; the customer was notified, and has called.

    \b
    Examples:
      region-node sharing confirm +8619851000001
      region-node sharing confirm +8619851000001 --reader guangdong --objects
    """
    request = api.ConfirmConsentRequest(
        number=number, grant_id=grant_id, reader=reader, purpose=purpose, agreed=not objects
    )
    asking.tell(asking.ask(lambda channel: SharingServiceStub(channel).ConfirmConsent, request), print_confirmed)


@sharing.command()
@writes(required_staff_option, channel_option, done="withdrawn")
@click.argument("number")
@click.option("--grant", "grant_id", default="", help="Only this grant.")
@click.option("--reader", default="", shell_complete=complete_regions, help="Only what this region may read.")
@click.option("--purpose", default="", shell_complete=complete_purposes, help="Only for this purpose.")
@person_options
@_PAPER
def withdraw(
    asking: Asking, number: str, grant_id: str, reader: str, purpose: str, verify: str, applicant: str, paper: str
) -> None:
    """Withdraw the consent of the customer with NUMBER: all of it, or what the options name.

    Once it has ended well, no region reads by it any more.

    \b
    Examples:
      region-node sharing withdraw +8619851000001 --staff-id 4711
      region-node sharing withdraw +8619851000001 --reader guangdong --verify password --staff-id 4711
    """
    request = api.WithdrawConsentRequest(
        number=number,
        grant_id=grant_id,
        reader=reader,
        purpose=purpose,
        applicant=APPLICANTS[applicant],
        documents=_proven(asking, number, verify, paper),
        paper=paper,
    )
    asking.tell(asking.ask(lambda channel: SharingServiceStub(channel).WithdrawConsent, request), print_withdrawal)


@sharing.command()
@reads(required_staff_option, channel_option, request_option)
@click.argument("number")
@person_options
def grants(asking: Asking, number: str, verify: str, applicant: str) -> None:
    """Show the customer with NUMBER what was decided, newest first.

    \b
    Example:
      region-node sharing grants +8619851000001 --staff-id 4711
    """
    request = api.ListGrantsRequest(
        number=number, applicant=APPLICANTS[applicant], documents=_proven(asking, number, verify), page_size=_PAGE
    )
    answer = asking.ask_all(lambda channel: SharingServiceStub(channel).ListGrants, request)
    asking.show(answer, GRANTS, answer.grants)


@sharing.command()
@reads(required_staff_option, channel_option, request_option)
@click.argument("number")
@person_options
def disclosures(asking: Asking, number: str, verify: str, applicant: str) -> None:
    """Show the customer with NUMBER who saw what, when and why, and who was refused; newest first.

    It tells of records that were shared, and of profiles, bills and documents that other regions asked for.

    \b
    Example:
      region-node sharing disclosures +8619851000001 --staff-id 4711 --verify password
    """
    request = api.ListDisclosuresRequest(
        number=number, applicant=APPLICANTS[applicant], documents=_proven(asking, number, verify), page_size=_PAGE
    )
    answer = asking.ask_all(lambda channel: SharingServiceStub(channel).ListDisclosures, request)
    asking.show(answer, DISCLOSURES, answer.disclosures)


def _proven(asking: Asking, number: str, way: str, paper: str = "", contact: str = "") -> Sequence[Document]:
    """The home region's verification of the customer for this request; empty for a paper."""
    return [] if paper else proven(asking, number, way, contact)
