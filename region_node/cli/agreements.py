"""`region-node agreements`: promises about the service of a line, and their monthly results."""

from datetime import datetime

import click

from gateway.api.region.v1 import agreement_service_pb2 as api
from gateway.api.region.v1.agreement_pb2 import (
    Agreement,
    AgreementStatement,
    OutageCause,
    StatementLine,
    StatementLineKind,
)
from gateway.api.region.v1.agreement_service_pb2_grpc import AgreementServiceStub
from gateway.api.types.v1.types_pb2 import Money
from gateway.cli.asking import limit_option
from gateway.cli.table import Table, TableColumn
from gateway.cli.times import InstantType
from gateway.time.clock import to_timestamp
from gateway.values.money import in_major_units
from gateway.wording.languages import in_language, translated
from gateway.wording.times import told_if_set, told_time
from gateway.wording.words import value_word
from region_node.cli.asking import Asking, reads, writes
from region_node.cli.options import AmountType, staff_id_option

_PPM_OF_A_PERCENT = 10_000
_CAUSES = {
    "operator": OutageCause.OUTAGE_CAUSE_OPERATOR,
    "customer": OutageCause.OUTAGE_CAUSE_CUSTOMER,
    "force-majeure": OutageCause.OUTAGE_CAUSE_FORCE_MAJEURE,
}
_staff_option = staff_id_option("Who asks; required where the certificate is that of an operator system; recorded.")


_AGREEMENTS = Table[Agreement](
    TableColumn("agreement", lambda each: each.id),
    TableColumn("number", lambda each: each.number),
    TableColumn("service", lambda each: each.service),
    TableColumn("terms", lambda each: in_language(each.terms.title)),
    TableColumn("monthly charge", lambda each: _money(each.monthly_charge)),
    TableColumn("begins", lambda each: told_time(each.start_time)),
    TableColumn("until", lambda each: told_if_set(each.end_time)),
)
_LINES = Table[StatementLine](
    TableColumn("line", lambda each: value_word(StatementLineKind.DESCRIPTOR, each.kind)),
    TableColumn("time", lambda each: "" if each.HasField("amount") else _duration(each.time_us)),
    TableColumn("percent", lambda each: f"{each.percent} %" if each.percent else ""),
    TableColumn("amount", lambda each: _money(each.amount) if each.HasField("amount") else ""),
    TableColumn("begins", lambda each: told_if_set(each.start_time, timespec="seconds")),
    TableColumn("until", lambda each: told_if_set(each.end_time, timespec="seconds")),
    TableColumn("source", lambda each: each.source),
)


@click.group()
def agreements() -> None:
    """Make and end agreements on the service of a line, and show what each month came to."""


@agreements.command()
@writes(done="made")
@click.argument("number")
@click.option("--service", required=True, help="The network service that the line uses.")
@click.option("--template", required=True, help="The terms, by their id in the federation configuration.")
@click.option(
    "--charge", type=AmountType(), help="What a whole month costs: 1200 is in fen, 12.00 in yuan; else the rent."
)
@click.option("--currency", default="CNY", show_default=True, help="The currency of the charge.")
def create(asking: Asking, number: str, service: str, template: str, charge: int | None, currency: str) -> None:
    """Make an agreement on the service of the line NUMBER, from now on, as staff of its home region.

    \b
    Example:
      region-node agreements create +8619844000001 --service lines-chengdu-guangzhou --template leased-line
    """
    money = None if charge is None else Money(minor_units=charge, currency=currency)
    request = api.CreateAgreementRequest(number=number, service=service, template=template, monthly_charge=money)
    answer = asking.ask(lambda channel: AgreementServiceStub(channel).CreateAgreement, request)
    asking.tell(answer.agreement, _AGREEMENTS.show_one)


@agreements.command("end")
@writes()
@click.argument("agreement_id")
def end_command(asking: Asking, agreement_id: str) -> None:
    """End an agreement now; the running month is still stated for the time until then.

    \b
    Example:
      region-node agreements end guangdong/agreement-3
    """
    request = api.EndAgreementRequest(agreement_id=agreement_id)
    answer = asking.ask(lambda channel: AgreementServiceStub(channel).EndAgreement, request)
    asking.tell(answer.agreement, _AGREEMENTS.show_one)


@agreements.command("note-outage")
@writes(done="noted")
@click.argument("service")
@click.option("--start", type=InstantType(), required=True, help="From when, as 2026-12-24T01:00+08:00.")
@click.option("--end", type=InstantType(), required=True, help="Until when, in the same form; it has passed.")
@click.option("--cause", type=click.Choice(list(_CAUSES)), default="operator", show_default=True, help="Whose it was.")
@click.option(
    "--agreement", "agreement_id", default="", help="Only for this agreement; needed where it was the customer's own."
)
def note_outage(asking: Asking, service: str, start: datetime, end: datetime, cause: str, agreement_id: str) -> None:
    """Note, as staff, when the network service SERVICE was down; statements that there are already are corrected.

    Faults that took a service down are noted by themselves once they are closed. What is the customer's own, or force
    majeure, takes time off what counts.

    \b
    Examples:
      region-node agreements note-outage lines-chengdu-guangzhou --start 2026-11-03T01:00+08:00 \\
        --end 2026-11-03T06:00+08:00
      region-node agreements note-outage lines-chengdu-guangzhou --start 2026-11-03T01:00+08:00 \\
        --end 2026-11-03T02:00+08:00 --cause customer --agreement guangdong/agreement-3
    """
    request = api.NoteOutageRequest(
        service=service,
        start_time=to_timestamp(start),
        end_time=to_timestamp(end),
        cause=_CAUSES[cause],
        agreement_id=agreement_id,
    )
    answer = asking.ask(lambda channel: AgreementServiceStub(channel).NoteOutage, request)
    asking.say(answer.outage, lambda: translated("Noted as {source}.", source=answer.outage.source))


@agreements.command("list")
@reads(limit_option(), _staff_option)
@click.option("--number", default="", help="Only of this line.")
@click.option("--service", default="", help="Only on this service.")
def list_command(asking: Asking, number: str, service: str) -> None:
    """List agreements, newest first.

    \b
    Example:
      region-node agreements list --service lines-chengdu-guangzhou
    """
    request = api.ListAgreementsRequest(number=number, service=service)
    answer = asking.ask(lambda channel: AgreementServiceStub(channel).ListAgreements, request)
    asking.show(answer, _AGREEMENTS, answer.agreements)


@agreements.command()
@reads(_staff_option)
@click.argument("agreement_id")
@click.argument("month")
@click.option("--revision", type=click.IntRange(min=0), default=0, help="Which one; the latest where it is not given.")
def statement(asking: Asking, agreement_id: str, month: str, revision: int) -> None:
    """Show what an agreement came to in MONTH, as YYYY-MM: the calculation of the credit, line by line.

    \b
    Example:
      region-node agreements statement guangdong/agreement-3 2026-11
    """
    request = api.GetStatementRequest(agreement_id=agreement_id, month=month, revision=revision)
    found = asking.ask(lambda channel: AgreementServiceStub(channel).GetStatement, request).statement
    asking.tell(found, _print_statement)


def _print_statement(found: AgreementStatement) -> None:
    told = translated(
        "{agreement}, {month}, revision {revision}: availability {availability} %, credit {credit}",
        agreement=found.agreement_id,
        month=found.month,
        revision=found.revision,
        availability=_percent(found.availability_ppm),
        credit=_money(found.credit),
    )
    click.echo(told)
    if found.measured_windows:
        kept, windows = found.kept_windows, found.measured_windows
        click.echo(translated("Quality: {kept} of {windows} windows kept to the class.", kept=kept, windows=windows))
    _LINES.show(found.lines)
    if found.posting_id:
        click.echo(translated("Posted as {posting}.", posting=found.posting_id))


def _duration(microseconds: int) -> str:
    """Hours, minutes and seconds, with a sign where time is taken off."""
    sign = "-" if microseconds < 0 else ""
    seconds, rest = divmod(abs(microseconds), 1_000_000)
    hours, seconds = divmod(seconds, 3600)
    fraction = f".{rest:06d}".rstrip("0") if rest else ""
    return f"{sign}{hours}:{seconds // 60:02d}:{seconds % 60:02d}{fraction}"


def _percent(ppm: int) -> str:
    """Millionths as percent, with all their digits: a value below a limit is not rounded up to it."""
    return f"{ppm // _PPM_OF_A_PERCENT}.{ppm % _PPM_OF_A_PERCENT:04d}"


def _money(amount: Money) -> str:
    return in_major_units(amount.minor_units, amount.currency)
