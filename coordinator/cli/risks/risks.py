"""`coordinator risks`."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.text import Text

from coordinator.cli.asking import Asking, asks
from coordinator.cli.completing import complete_regions
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.output import titled, told_due
from coordinator.cli.risks.matrix import scored, show_matrix
from coordinator.cli.risks.report_page import page
from coordinator.wording.risks import title_of, told_owner, told_plans, told_signal
from gateway.api.coordinator.v1 import risk_service_pb2 as contract
from gateway.api.coordinator.v1.risk_service_pb2 import Risk, RiskAct, RiskEntry, RiskState
from gateway.api.coordinator.v1.risk_service_pb2_grpc import RiskServiceStub
from gateway.api.federation.v1.risk_pb2 import RiskRules
from gateway.cli.asking import request_option
from gateway.cli.issue_options import due_time
from gateway.cli.table import Table, TableColumn, show_timeline
from gateway.cli.written_files import write_out
from gateway.time.clock import from_timestamp
from gateway.wording.body import told_duty
from gateway.wording.languages import current_language, translated
from gateway.wording.times import told_if_set
from gateway.wording.words import value_word

_RISK = click.argument("risk_id", metavar="ID")
_GRADE = click.IntRange(1, 5)


@click.group(epilog=EPILOG)
def risks() -> None:
    """The register of risks: what signals and people have found, how grave it is, whose it is, and what is planned."""


@risks.command("list", epilog=EPILOG)
@asks()
@click.option("--region", default="", shell_complete=complete_regions, help="Only risks that this region owns.")
@click.option("--overdue", is_flag=True, help="Only risks whose review or plan is overdue.")
@click.option("--all", "include_closed", is_flag=True, help="Also closed ones.")
def list_risks(asking: Asking, region: str, overdue: bool, include_closed: bool) -> None:
    """List risks, the highest score first, below the matrix of likelihood and impact.

    \b
    Examples:
      coordinator risks list
      coordinator risks list --overdue --json
    """
    request = contract.ListRisksRequest(region=region, overdue=overdue, include_closed=include_closed)
    response = asking.ask_all(lambda channel: RiskServiceStub(channel).ListRisks, request)
    asking.tell(response, _print_list)


@risks.command(epilog=EPILOG)
@asks()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file of the page.")
def report(asking: Asking, out: Path) -> None:
    """Write the risks that are not closed as a page with their matrix: one file that needs no network.

    \b
    Example:
      coordinator risks report --out risks.html --lang zh
    """
    response = asking.ask_all(lambda channel: RiskServiceStub(channel).ListRisks, contract.ListRisksRequest())
    write_out(out, page(response, datetime.now(UTC), current_language()))
    asking.say(response, lambda: translated("{path} was written", path=out))


@risks.command(epilog=EPILOG)
@asks()
@_RISK
def show(asking: Asking, risk_id: str) -> None:
    """Show a risk with its owner, the person to call, its plan and its history.

    \b
    Examples:
      coordinator risks show region-lost/sichuan
    """
    request = contract.GetRiskRequest(risk_id=risk_id)
    response = asking.ask(lambda channel: RiskServiceStub(channel).GetRisk, request)
    asking.tell(response, _print_one)


@risks.command(epilog=EPILOG)
@asks(request_option)
@click.argument("title")
@click.option("--likelihood", type=_GRADE, required=True, help="1 to 5, by the scale of the federation.")
@click.option("--impact", type=_GRADE, required=True, help="1 to 5, by the scale of the federation.")
@click.option("--owner", required=True, shell_complete=complete_regions, help="The owner region.")
@click.option("--department", required=True, metavar="CODE", help="The owner department.")
def add(asking: Asking, title: str, likelihood: int, impact: int, owner: str, department: str) -> None:
    """Add a risk with TITLE that no signal has raised.

    \b
    Examples:
      coordinator risks add "one supplier for all routers" --likelihood 2 --impact 5 --owner beijing \\
        --department NETWORK_OPERATIONS
    """
    request = contract.AddRiskRequest(
        title=title, likelihood=likelihood, impact=impact, owner_region=owner, owner_department=department
    )
    response = asking.ask(lambda channel: RiskServiceStub(channel).AddRisk, request)
    asking.say(response, lambda: response.risk.id)


@risks.command(epilog=EPILOG)
@asks()
@_RISK
@click.option("--likelihood", type=_GRADE, required=True, help="1 to 5, by the scale of the federation.")
@click.option("--impact", type=_GRADE, required=True, help="1 to 5, by the scale of the federation.")
@click.option("--note", required=True, help="The reason.")
def assess(asking: Asking, risk_id: str, likelihood: int, impact: int, note: str) -> None:
    """Assess the likelihood and the impact of a risk anew.

    \b
    Examples:
      coordinator risks assess complaints/sichuan/NET_SPEED --likelihood 2 --impact 3 --note "one cell was down"
    """
    assessment = contract.RiskAssessment(likelihood=likelihood, impact=impact)
    _change(asking, contract.ChangeRiskRequest(risk_id=risk_id, note=note, assess=assessment))


@risks.command(epilog=EPILOG)
@asks()
@_RISK
@click.option("--plan", "text", default="", help="What is to be done; without it the risk is accepted as it is.")
@click.option("--due", default="", metavar="TIME", help="Until when it is to be done, with zone.")
@click.option("--owner", default="", shell_complete=complete_regions, help="A new owner region.")
@click.option("--department", default="", metavar="CODE", help="A new owner department.")
@click.option("--note", default="", help="The reason; required to accept a risk.")
def plan(asking: Asking, risk_id: str, text: str, due: str, owner: str, department: str, note: str) -> None:
    """Plan how a risk is lowered, or accept it.

    \b
    Examples:
      coordinator risks plan region-lost/sichuan --plan "a second site" --due 2027-03-01T00:00+08:00
      coordinator risks plan certificate/henan --note "the region closes in January"
    """
    asked = contract.RiskPlan(
        owner_region=owner, owner_department=department, plan=text, due_time=due_time(due) if due else None
    )
    _change(asking, contract.ChangeRiskRequest(risk_id=risk_id, note=note, plan=asked))


@risks.command(epilog=EPILOG)
@asks()
@_RISK
@click.option("--note", required=True, help="The result of the review.")
@click.option("--next", "following", default="", metavar="TIME", help="When the next review is due, with zone.")
def review(asking: Asking, risk_id: str, note: str, following: str) -> None:
    """Record a review. Without --next, the band of the risk says when the next one is due.

    \b
    Examples:
      coordinator risks review region-lost/sichuan --note "the second site is ordered"
    """
    asked = contract.RiskReview(next_due_time=due_time(following) if following else None)
    _change(asking, contract.ChangeRiskRequest(risk_id=risk_id, note=note, review=asked))


@risks.command(epilog=EPILOG)
@asks()
@_RISK
@click.option("--note", required=True, help="The reason.")
def close(asking: Asking, risk_id: str, note: str) -> None:
    """Close a risk whose signal has ended. The next signal of its kind reopens it.

    \b
    Examples:
      coordinator risks close certificate/henan --note "the certificate was renewed"
    """
    _change(asking, contract.ChangeRiskRequest(risk_id=risk_id, note=note, close=contract.RiskClosing()))


def _change(asking: Asking, request: contract.ChangeRiskRequest) -> None:
    response = asking.ask(lambda channel: RiskServiceStub(channel).ChangeRisk, request)
    asking.show(response, _table(response.rules, datetime.now(UTC)), [response.risk], titled(translated("Risks")))


def _print_list(response: contract.ListRisksResponse) -> None:
    _show_matrix(response.rules, response.risks)
    _table(response.rules, datetime.now(UTC)).show(response.risks, titled(translated("Risks")))
    if told := told_plans(response.plans):
        click.echo(translated("Plans that ended in time: {share}", share=told))


def _show_matrix(rules: RiskRules, found: Iterable[Risk]) -> None:
    show_matrix(rules, [each for each in found if each.state != RiskState.RISK_STATE_CLOSED])


def _print_one(response: contract.GetRiskResponse) -> None:
    risk, rules = response.risk, response.rules
    _table(rules, datetime.now(UTC)).show([risk], titled(title_of(rules, risk)))
    if response.HasField("on_duty"):
        click.echo(translated("To call: {person}", person=told_duty(response.on_duty)))
    if risk.plan:
        click.echo(translated("Plan, due {time}: {plan}", time=told_if_set(risk.plan_due_time), plan=risk.plan))
    if risk.signal_lasts:
        click.echo(translated("The signal lasts: {detail}", detail=told_signal(risk.signal_detail)))
    show_timeline(
        (
            from_timestamp(each.create_time),
            each.administrator,
            _told_entry(each),
        )
        for each in risk.history
    )


def _told_entry(entry: RiskEntry) -> str:
    act = value_word(RiskAct.DESCRIPTOR, entry.act)
    return f"{act} ({entry.likelihood}×{entry.impact}) {told_signal(entry.note)}".rstrip()


def _table(rules: RiskRules, now: datetime) -> Table[Risk]:
    return Table(
        TableColumn("risk", lambda each: each.id),
        TableColumn("title", lambda each: title_of(rules, each), only_wide=True),
        TableColumn("score", lambda each: scored(rules, each)),
        TableColumn("state", lambda each: value_word(RiskState.DESCRIPTOR, each.state)),
        TableColumn("signal", lambda each: Text(translated("lasts"), style="red") if each.signal_lasts else ""),
        TableColumn("owner", told_owner),
        TableColumn("review due", lambda each: told_due(each.review_due_time, now)),
        TableColumn("plan due", lambda each: told_due(each.plan_due_time, now), only_wide=True),
    )
