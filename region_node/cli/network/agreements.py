"""`region-node agreements`: what customers were promised about the service of a line, and what a month came to."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar

import click
from google.protobuf.message import Message

from gateway.api.region.v1 import agreement_service_pb2 as api
from gateway.api.region.v1.agreement_pb2 import (
    Agreement,
    AgreementStatement,
    OutageCause,
    StatementLine,
    StatementLineKind,
)
from gateway.api.region.v1.agreement_service_pb2_grpc import AgreementServiceStub
from gateway.api.types.v1.types_pb2 import Channel, Money, Requester
from gateway.clock import to_timestamp
from gateway.languages import in_language, translated
from gateway.money import in_major_units
from gateway.terminal import print_table, tell_more
from gateway.times import told_if_set, told_time
from gateway.words import word
from region_node.cli.asking import answer_of
from region_node.cli.connection import Target, connection_options
from region_node.cli.options import (
    AmountType,
    json_option,
    print_message,
    request_id_of,
    request_option,
    staff_id_option,
)
from region_node.cli.times import InstantType

T = TypeVar("T")

_CALL_SECONDS = 30.0
_KIND = "STATEMENT_LINE_KIND_"
_PPM_OF_A_PERCENT = 10_000
_CAUSES = {
    "operator": OutageCause.OUTAGE_CAUSE_OPERATOR,
    "customer": OutageCause.OUTAGE_CAUSE_CUSTOMER,
    "force-majeure": OutageCause.OUTAGE_CAUSE_FORCE_MAJEURE,
}
_staff_option = staff_id_option("Who asks; required where the certificate is that of an operator system; recorded.")


@click.group()
def agreements() -> None:
    """Make and end agreements on the service of a line, and show what each month came to."""


@agreements.command()
@click.argument("number")
@connection_options
@click.option("--service", required=True, help="The network service that the line uses.")
@click.option("--template", required=True, help="The terms, by their id in the federation configuration.")
@click.option(
    "--charge", type=AmountType(), help="What a whole month costs: 1200 is in fen, 12.00 in yuan; else the rent."
)
@click.option("--currency", default="CNY", show_default=True, help="The currency of the charge.")
@request_option
@json_option
def create(
    target: Target,
    number: str,
    service: str,
    template: str,
    charge: int | None,
    currency: str,
    request_id: str,
    as_json: bool,
) -> None:
    """Make an agreement on the service of the line NUMBER, from now on, as staff of its home region.

    \b
    Example:
      region-node agreements create +8619844000001 --service lines-chengdu-guangzhou --template leased-line

    \b
    Exit codes:
      0  made
      1  refused; the text says why
      2  the command line or the credentials cannot be used
      3  not known: run it again with the request id that is told
    """
    money = None if charge is None else Money(minor_units=charge, currency=currency)
    request = api.CreateAgreementRequest(
        request_id=request_id_of(request_id),
        number=number,
        service=service,
        template=template,
        monthly_charge=money,
    )
    answer = _ask(target, lambda node: node.CreateAgreement(request, timeout=_CALL_SECONDS), request.request_id)
    _tell(answer.agreement, [answer.agreement], as_json=as_json)


@agreements.command("end")
@click.argument("agreement_id")
@connection_options
@request_option
@json_option
def end_command(target: Target, agreement_id: str, request_id: str, as_json: bool) -> None:
    """End an agreement now; the running month is still stated for the time until then.

    \b
    Example:
      region-node agreements end guangdong/agreement-3

    \b
    Exit codes: as of `create`
    """
    request = api.EndAgreementRequest(request_id=request_id_of(request_id), agreement_id=agreement_id)
    answer = _ask(target, lambda node: node.EndAgreement(request, timeout=_CALL_SECONDS), request.request_id)
    _tell(answer.agreement, [answer.agreement], as_json=as_json)


@agreements.command("note-outage")
@click.argument("service")
@connection_options
@click.option("--start", type=InstantType(), required=True, help="From when, as 2026-12-24T01:00+08:00.")
@click.option("--end", type=InstantType(), required=True, help="Until when, in the same form; it has passed.")
@click.option("--cause", type=click.Choice(list(_CAUSES)), default="operator", show_default=True, help="Whose it was.")
@click.option(
    "--agreement", "agreement_id", default="", help="Only for this agreement; needed where it was the customer's own."
)
@request_option
@json_option
def note_outage(
    target: Target,
    service: str,
    start: datetime,
    end: datetime,
    cause: str,
    agreement_id: str,
    request_id: str,
    as_json: bool,
) -> None:
    """Note, as staff, when the network service SERVICE was down; statements that there are already are corrected.

    Faults that took a service down are noted by themselves once they are closed. What is the customer's own, or force
    majeure, takes time off what counts.

    \b
    Examples:
      region-node agreements note-outage lines-chengdu-guangzhou --start 2026-11-03T01:00+08:00 \\
        --end 2026-11-03T06:00+08:00
      region-node agreements note-outage lines-chengdu-guangzhou --start 2026-11-03T01:00+08:00 \\
        --end 2026-11-03T02:00+08:00 --cause customer --agreement guangdong/agreement-3

    \b
    Exit codes:
      0  noted
      1  refused; the text says why
      2  the command line or the credentials cannot be used
      3  not known: run it again with the request id that is told
    """
    request = api.NoteOutageRequest(
        request_id=request_id_of(request_id),
        service=service,
        start_time=to_timestamp(start),
        end_time=to_timestamp(end),
        cause=_CAUSES[cause],
        agreement_id=agreement_id,
    )
    answer = _ask(target, lambda node: node.NoteOutage(request, timeout=_CALL_SECONDS), request.request_id)
    if as_json:
        print_message(answer.outage)
    else:
        click.echo(translated("Noted as {source}.", source=answer.outage.source))


@agreements.command("list")
@connection_options
@click.option("--number", default="", help="Only of this line.")
@click.option("--service", default="", help="Only on this service.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="At most so many.")
@_staff_option
@json_option
def list_command(target: Target, number: str, service: str, limit: int, staff_id: str, as_json: bool) -> None:
    """List agreements, newest first.

    \b
    Example:
      region-node agreements list --service lines-chengdu-guangzhou

    \b
    Exit codes:
      0  shown
      1  refused; the text says why
      2  the command line or the credentials cannot be used
      3  the node cannot be reached, or cannot answer just now
    """
    request = api.ListAgreementsRequest(number=number, service=service, page_size=limit, requester=_requester(staff_id))
    answer = _ask(target, lambda node: node.ListAgreements(request, timeout=_CALL_SECONDS))
    _tell(answer, answer.agreements, as_json=as_json)
    tell_more(answer.next_page_token)


@agreements.command()
@click.argument("agreement_id")
@click.argument("month")
@connection_options
@click.option("--revision", type=click.IntRange(min=0), default=0, help="Which one; the latest where it is not given.")
@_staff_option
@json_option
def statement(target: Target, agreement_id: str, month: str, revision: int, staff_id: str, as_json: bool) -> None:
    """Show what an agreement came to in MONTH, as YYYY-MM: the calculation of the credit, line by line.

    \b
    Example:
      region-node agreements statement guangdong/agreement-3 2026-11

    \b
    Exit codes: as of `list`
    """
    request = api.GetStatementRequest(
        agreement_id=agreement_id, month=month, revision=revision, requester=_requester(staff_id)
    )
    found = _ask(target, lambda node: node.GetStatement(request, timeout=_CALL_SECONDS)).statement
    if as_json:
        print_message(found)
    else:
        _print_statement(found)


def _print_agreements(found: Sequence[Agreement]) -> None:
    columns = [
        translated("agreement"),
        translated("number"),
        translated("service"),
        translated("terms"),
        translated("monthly charge"),
        translated("begins"),
        translated("until"),
    ]
    print_table(
        columns,
        [
            (
                each.id,
                each.number,
                each.service,
                in_language(each.terms.title),
                in_major_units(each.monthly_charge.minor_units, each.monthly_charge.currency),
                told_time(each.start_time),
                told_if_set(each.end_time),
            )
            for each in found
        ],
    )


def _print_statement(found: AgreementStatement) -> None:
    told = translated(
        "{agreement}, {month}, revision {revision}: availability {availability} %, credit {credit}",
        agreement=found.agreement_id,
        month=found.month,
        revision=found.revision,
        availability=_percent(found.availability_ppm),
        credit=in_major_units(found.credit.minor_units, found.credit.currency),
    )
    click.echo(told)
    if found.measured_windows:
        kept, windows = found.kept_windows, found.measured_windows
        click.echo(translated("Quality: {kept} of {windows} windows kept to the class.", kept=kept, windows=windows))
    columns = [
        translated("line"),
        translated("time"),
        translated("percent"),
        translated("amount"),
        translated("begins"),
        translated("until"),
        translated("source"),
    ]
    print_table(columns, [_cells(each) for each in found.lines])
    if found.posting_id:
        click.echo(translated("Posted as {posting}.", posting=found.posting_id))


def _cells(line: StatementLine) -> tuple[str, ...]:
    return (
        word(StatementLineKind.Name(line.kind), _KIND),
        "" if line.HasField("amount") else _duration(line.time_us),
        f"{line.percent} %" if line.percent else "",
        in_major_units(line.amount.minor_units, line.amount.currency) if line.HasField("amount") else "",
        told_if_set(line.start_time, timespec="seconds"),
        told_if_set(line.end_time, timespec="seconds"),
        line.source,
    )


def _duration(microseconds: int) -> str:
    """Hours, minutes and seconds, with a sign where time is taken off."""
    sign = "-" if microseconds < 0 else ""
    seconds, rest = divmod(abs(microseconds), 1_000_000)
    hours, seconds = divmod(seconds, 3600)
    fraction = f".{rest:06d}".rstrip("0") if rest else ""
    return f"{sign}{hours}:{seconds // 60:02d}:{seconds % 60:02d}{fraction}"


def _percent(ppm: int) -> str:
    """Millionths as percent, with all their digits: what fell short of an edge is not rounded up to it."""
    return f"{ppm // _PPM_OF_A_PERCENT}.{ppm % _PPM_OF_A_PERCENT:04d}"


def _requester(staff_id: str) -> Requester | None:
    return Requester(staff_id=staff_id, channel=Channel.CHANNEL_COUNTER) if staff_id else None


def _tell(message: Message, found: Sequence[Agreement], *, as_json: bool) -> None:
    if as_json:
        print_message(message)
    else:
        _print_agreements(found)


def _ask(target: Target, call: Callable[[AgreementServiceStub], Awaitable[T]], request_id: str = "") -> T:
    return answer_of(target, lambda channel: call(AgreementServiceStub(channel)), request_id)
