"""`region-node complaints actions`: the improvement actions against the causes of complaints."""

import click

from gateway.api.federation.v1.quality_pb2 import ScorecardFigure
from gateway.api.region.v1 import improvement_service_pb2 as api
from gateway.api.region.v1.improvement_service_pb2 import ImprovementAction
from gateway.api.region.v1.improvement_service_pb2_grpc import ImprovementServiceStub
from gateway.cli.asking import limit_option
from gateway.cli.option_words import option_words
from gateway.cli.table import Table, TableColumn
from gateway.wording.languages import translated
from gateway.wording.terms import category_name, cause_name
from region_node.cli.asking import Asking, reads, writes
from region_node.cli.completing import complete_categories, complete_causes


@click.group()
def actions() -> None:
    """Record what is done about the causes of complaints, and see whether it has helped."""


@actions.command("list")
@reads(limit_option())
@click.option("--open", "is_open", is_flag=True, help="Only those that are not finished.")
@click.option("--ineffective", is_flag=True, help="Only those that did not help.")
@click.option("--category", default="", shell_complete=complete_categories, help="Only those of this category.")
@click.option("--cause", default="", shell_complete=complete_causes, help="Only those of this cause.")
def list_command(asking: Asking, is_open: bool, ineffective: bool, category: str, cause: str) -> None:
    """List improvement actions, newest first: who sees to each, until when, and how often the cause came back.

    \b
    Examples:
      region-node complaints actions list --open
      region-node complaints actions list --ineffective --cause billing-error
    """
    request = api.ListImprovementActionsRequest(
        open=is_open, ineffective=ineffective, category=category, cause_code=cause
    )
    found = asking.ask(lambda channel: ImprovementServiceStub(channel).ListImprovementActions, request)
    asking.show(found, _ACTIONS, found.actions)


@actions.command()
@writes()
@click.argument("ticket_id")
@click.argument("text")
@click.option("--owner", required=True, help="Who sees to it: a staff id or the code of a department.")
@click.option("--due", required=True, help="By which day, as YYYY-MM-DD.")
def add(asking: Asking, ticket_id: str, text: str, owner: str, due: str) -> None:
    """Record what is to be done about the cause of a closed complaint; TEXT names no customer.

    \b
    Examples:
      region-node complaints actions add guangdong/20261210-17 "check the import twice" --owner BILLING --due 2027-01-31
    """
    request = api.AddImprovementActionRequest(ticket_id=ticket_id, text=text, owner=owner, due_date=due)
    answer = asking.ask(lambda channel: ImprovementServiceStub(channel).AddImprovementAction, request)
    asking.tell(answer.action, _ACTIONS.show_one)


@actions.command()
@writes()
@click.argument("action_id")
@click.argument("outcome")
def finish(asking: Asking, action_id: str, outcome: str) -> None:
    """Close an improvement action with what was done.

    \b
    Examples:
      region-node complaints actions finish sichuan/action-3 "imports are compared line by line"
    """
    request = api.FinishImprovementActionRequest(action_id=action_id, outcome=outcome)
    answer = asking.ask(lambda channel: ImprovementServiceStub(channel).FinishImprovementAction, request)
    asking.tell(answer.action, _ACTIONS.show_one)


_FIGURES = {figure: name for name, figure in option_words(ScorecardFigure.items()).items()}


def _state(action: ImprovementAction) -> str:
    if action.ineffective:
        return translated("ineffective: {ticket_id}", ticket_id=action.last_repeat_ticket_id)
    if action.finisher:
        return translated("finished")
    return translated("overdue") if action.overdue else translated("open")


_ACTIONS = Table[ImprovementAction](
    TableColumn("action", lambda each: each.id),
    TableColumn("category", lambda each: category_name(each.category)),
    TableColumn("cause", lambda each: cause_name(each.cause_code)),
    TableColumn("figure", lambda each: _FIGURES.get(each.figure, ""), only_wide=True),
    TableColumn("owner", lambda each: each.owner),
    TableColumn("due", lambda each: each.due_date),
    TableColumn("state", _state),
    TableColumn("repeats", lambda each: str(each.repeats)),
    TableColumn("what", lambda each: each.outcome or each.text),
)
