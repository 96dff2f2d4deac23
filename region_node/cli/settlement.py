"""`region-node settlement`: the statements of months with other regions, and their signatures."""

from collections.abc import Iterable
from pathlib import Path

import click

from gateway.api.region.v1 import settlement_service_pb2 as api
from gateway.api.region.v1.settlement_pb2 import (
    SettlementLine,
    SettlementPayment,
    SettlementState,
    SettlementStatement,
    SettlementTerms,
)
from gateway.api.region.v1.settlement_service_pb2_grpc import SettlementServiceStub
from gateway.api.types.v1.types_pb2 import Money
from gateway.cli.asking import limit_option
from gateway.cli.table import Table, TableColumn
from gateway.values.money import in_major_units
from gateway.wording.languages import enumerated, translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set
from gateway.wording.words import value_word
from region_node.cli.asking import Asking, reads, writes
from region_node.cli.proofs import write_proofs


def _owed(terms: SettlementTerms, amounts: Iterable[Money]) -> str:
    """Who owes whom, by name: the amounts of the contract are those that the first region owes the second."""
    return enumerated(_debt(terms, each) for each in amounts if each.minor_units) or translated("nothing")


def _debt(terms: SettlementTerms, amount: Money) -> str:
    regions = [region_name(terms.first_region), region_name(terms.second_region)]
    debtor, creditor = regions if amount.minor_units > 0 else reversed(regions)
    return translated(
        "{debtor} owes {creditor} {amount}",
        debtor=debtor,
        creditor=creditor,
        amount=in_major_units(abs(amount.minor_units), amount.currency),
    )


def _statements(payments: Iterable[SettlementPayment]) -> Table[SettlementStatement]:
    paid = {each.id: each for each in payments}
    return Table(
        TableColumn("month", lambda each: each.terms.month),
        TableColumn("first region", lambda each: region_name(each.terms.first_region)),
        TableColumn("second region", lambda each: region_name(each.terms.second_region)),
        TableColumn("owed", lambda each: _owed(each.terms, each.terms.net)),
        TableColumn("state", lambda each: value_word(SettlementState.DESCRIPTOR, each.state)),
        TableColumn("paid", lambda each: _paid(paid.get(each.id))),
        TableColumn("issue", lambda each: each.issue_id),
        TableColumn("signed by first", lambda each: each.proposer, only_wide=True),
        TableColumn("decided by second", lambda each: each.decider, only_wide=True),
        TableColumn("decided at", lambda each: told_if_set(each.decide_time), only_wide=True),
    )


def _paid(payment: SettlementPayment | None) -> str:
    """When this region has recorded the payment, or that only one person has proposed it."""
    if payment is None:
        return ""
    return told_if_set(payment.record_time) or translated("proposed")


_PAYMENTS = Table[SettlementPayment](
    TableColumn("month", lambda each: each.month),
    TableColumn("region", lambda each: region_name(each.region)),
    TableColumn("paid", lambda each: _amounts(each, 1)),
    TableColumn("received", lambda each: _amounts(each, -1)),
    TableColumn("reference", lambda each: each.reference),
    TableColumn("proposed by", lambda each: each.proposer),
    TableColumn("recorded by", lambda each: each.recorder),
    TableColumn("recorded", lambda each: told_if_set(each.record_time)),
)


def _amounts(payment: SettlementPayment, sign: int) -> str:
    """The amounts that were paid, or those that were received."""
    found = [each for each in payment.amounts if sign * each.minor_units > 0]
    return enumerated(in_major_units(abs(each.minor_units), each.currency) for each in found)


def _lines(terms: SettlementTerms) -> Table[SettlementLine]:
    return Table(
        TableColumn("charge", lambda each: each.charge_kind),
        TableColumn("of month", lambda each: each.of_month),
        TableColumn("quantity", lambda each: str(each.quantity)),
        TableColumn("owed", lambda each: _owed(terms, [each.amount])),
    )


@click.group()
def settlement() -> None:
    """Settle months with other regions: what each owes the other, signed by both."""


@settlement.command()
@reads(limit_option())
@click.option("--month", default="", help="Only this month, as YYYY-MM.")
def months(asking: Asking, month: str) -> None:
    """List signed, proposed and disputed statements, the newest month first.

    \b
    Example:
      region-node settlement months --month 2026-11
    """
    request = api.ListSettlementStatementsRequest(month=month)
    found = asking.ask(lambda channel: SettlementServiceStub(channel).ListSettlementStatements, request)
    asking.show(found, _statements(found.payments), found.statements)


@settlement.command()
@reads()
@click.argument("with_region", metavar="REGION")
@click.argument("month")
def show(asking: Asking, with_region: str, month: str) -> None:
    """Show the lines of MONTH with REGION, as signed and by today's records of this region.

    \b
    Example:
      region-node settlement show sichuan 2026-11
    """
    request = api.ComputeSettlementRequest(region=with_region, month=month)
    found = asking.ask(lambda channel: SettlementServiceStub(channel).ComputeSettlement, request)
    asking.tell(found, print_both)


@settlement.command()
@writes(done="signed")
@click.argument("with_region", metavar="REGION")
@click.argument("month")
@click.option(
    "--accept-difference", is_flag=True, help="Sign the other region's terms; the difference comes in a later month."
)
def sign(asking: Asking, with_region: str, month: str, *, accept_difference: bool) -> None:
    """Sign the statement of MONTH with REGION: as the proposal, or under the proposal of the other region.

    A signed month is sent once more, for a region that was restored from a backup.

    \b
    Examples:
      region-node settlement sign sichuan 2026-11
      region-node settlement sign guangdong 2026-11 --accept-difference
    """
    request = api.SignSettlementRequest(region=with_region, month=month, accepts_difference=accept_difference)
    answer = asking.ask(lambda channel: SettlementServiceStub(channel).SignSettlement, request)
    asking.tell(answer.statement, _statements(()).show_one)


@settlement.command()
@reads()
@click.argument("with_region", metavar="REGION")
@click.argument("month")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def proof(asking: Asking, with_region: str, month: str, directory: Path) -> None:
    """Write both signatures under the statement of MONTH with REGION into DIRECTORY.

    Anybody checks the two files with deploy/audit/check_proof.py and the certificate of the federation's authority.

    \b
    Example:
      region-node settlement proof sichuan 2026-11 proofs
    """
    request = api.GetSettlementProofRequest(region=with_region, month=month)
    found = asking.ask(lambda channel: SettlementServiceStub(channel).GetSettlementProof, request)
    write_proofs(directory, {f"{month}-{each.region}.json": each for each in found.proofs})
    asking.tell(found, _print_signers)


def _print_signers(found: api.GetSettlementProofResponse) -> None:
    for each in found.proofs:
        click.echo(translated("Signed by {region}.", region=region_name(each.region)))


@settlement.command()
@writes(done="disputed")
@click.argument("with_region", metavar="REGION")
@click.argument("month")
@click.argument("charge")
@click.option("--of", "of_month", default="", help="The month of the line, if it is an earlier one.")
@click.option("--note", required=True, help="The reason, for the other region; names no customer.")
def dispute(asking: Asking, with_region: str, month: str, charge: str, of_month: str, note: str) -> None:
    """Dispute the line CHARGE (as `payment`) in the terms of REGION for MONTH, and open an issue about it.

    \b
    Example:
      region-node settlement dispute guangdong 2026-11 payment --note "3 payments are missing"
    """
    request = api.DisputeSettlementRequest(
        region=with_region, month=month, charge_kind=charge, of_month=of_month or month, note=note
    )
    answer = asking.ask(lambda channel: SettlementServiceStub(channel).DisputeSettlement, request)
    asking.tell(answer.statement, _statements(()).show_one)


@settlement.command()
@writes(done="recorded")
@click.argument("with_region", metavar="REGION")
@click.argument("month")
@click.option("--reference", required=True, help="The reference of the bank's transfer.")
def paid(asking: Asking, with_region: str, month: str, reference: str) -> None:
    """Record that MONTH with REGION is paid, in the region that pays and in the one that is paid.

    Where this region pays, two members of staff give the command, with the same reference.

    \b
    Example:
      region-node settlement paid guangdong 2026-11 --reference ICBC-4711
    """
    request = api.RecordSettlementPaymentRequest(region=with_region, month=month, reference=reference)
    answer = asking.ask(lambda channel: SettlementServiceStub(channel).RecordSettlementPayment, request)
    asking.tell(answer.payment, _PAYMENTS.show_one)


def print_both(found: api.ComputeSettlementResponse) -> None:
    """Prints the lines as signed, and those by today's records."""
    if found.HasField("statement"):
        _statements([found.payment]).show([found.statement])
        _lines(found.statement.terms).show(found.statement.terms.lines)
    if found.HasField("payment"):
        _PAYMENTS.show([found.payment])
    click.echo(translated("By today's records of this region:"))
    _lines(found.terms).show(found.terms.lines)
