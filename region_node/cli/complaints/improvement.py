"""`region-node complaints actions`: what is done so that the causes of complaints do not come back."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import click

from gateway.api.region.v1 import improvement_service_pb2 as api
from gateway.api.region.v1.improvement_service_pb2 import ImprovementAction
from gateway.api.region.v1.improvement_service_pb2_grpc import ImprovementServiceStub
from gateway.languages import translated
from gateway.terminal import print_table
from gateway.terms import category_name, cause_name
from region_node.cli.asking import answer_of
from region_node.cli.completing import complete_categories, complete_causes
from region_node.cli.connection import Target, connection_options
from region_node.cli.options import json_option, print_message, request_id_of, request_option

T = TypeVar("T")

_CALL_SECONDS = 30.0


@click.group()
def actions() -> None:
    """Record what is done about the causes of complaints, and see whether it has helped."""


@actions.command("list")
@connection_options
@click.option("--open", "is_open", is_flag=True, help="Only those that are not finished.")
@click.option("--ineffective", is_flag=True, help="Only those that did not help.")
@click.option("--category", default="", shell_complete=complete_categories, help="Only those of this category.")
@click.option("--cause", default="", shell_complete=complete_causes, help="Only those of this cause.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="At most so many.")
@json_option
def list_command(
    target: Target, is_open: bool, ineffective: bool, category: str, cause: str, limit: int, as_json: bool
) -> None:
    """List improvement actions, newest first: who sees to each, until when, and how often the cause came back.

    \b
    Examples:
      region-node complaints actions list --open
      region-node complaints actions list --ineffective --cause billing-error
    """
    request = api.ListImprovementActionsRequest(
        page_size=limit, open=is_open, ineffective=ineffective, category=category, cause_code=cause
    )
    found = _ask(target, lambda node: node.ListImprovementActions(request, timeout=_CALL_SECONDS))
    if as_json:
        print_message(found)
    else:
        _print_actions(found.actions)


@actions.command()
@click.argument("docket")
@click.argument("text")
@connection_options
@click.option("--owner", required=True, help="Who sees to it: a staff id or the code of a department.")
@click.option("--due", required=True, help="By which day, as YYYY-MM-DD.")
@request_option
@json_option
def add(target: Target, docket: str, text: str, owner: str, due: str, request_id: str, as_json: bool) -> None:
    """Record what is to be done about the cause of a closed complaint; TEXT names no customer.

    \b
    Examples:
      region-node complaints actions add guangdong/20261210-17 "check the import twice" --owner BILLING --due 2027-01-31
    """
    request = api.AddImprovementActionRequest(
        request_id=request_id_of(request_id), docket=docket, text=text, owner=owner, due_date=due
    )
    answer = _ask(target, lambda node: node.AddImprovementAction(request, timeout=_CALL_SECONDS), request.request_id)
    _tell(answer.action, as_json)


@actions.command()
@click.argument("action_id")
@click.argument("outcome")
@connection_options
@request_option
@json_option
def finish(target: Target, action_id: str, outcome: str, request_id: str, as_json: bool) -> None:
    """Close an improvement action with what was done.

    \b
    Examples:
      region-node complaints actions finish sichuan/action-3 "imports are compared line by line"
    """
    request = api.FinishImprovementActionRequest(
        request_id=request_id_of(request_id), action_id=action_id, outcome=outcome
    )
    answer = _ask(target, lambda node: node.FinishImprovementAction(request, timeout=_CALL_SECONDS), request.request_id)
    _tell(answer.action, as_json)


def _print_actions(found: Sequence[ImprovementAction]) -> None:
    columns = [
        translated("action"),
        translated("category"),
        translated("cause"),
        translated("owner"),
        translated("due"),
        translated("state"),
        translated("repeats"),
        translated("what"),
    ]
    print_table(
        columns,
        [
            (
                each.id,
                category_name(each.category),
                cause_name(each.cause_code),
                each.owner,
                each.due_date,
                _standing(each),
                str(each.repeats),
                each.outcome or each.text,
            )
            for each in found
        ],
    )


def _standing(action: ImprovementAction) -> str:
    if action.ineffective:
        return translated("ineffective: {docket}", docket=action.last_repeat)
    if action.finisher:
        return translated("finished")
    return translated("overdue") if action.overdue else translated("open")


def _tell(action: ImprovementAction, as_json: bool) -> None:
    if as_json:
        print_message(action)
    else:
        _print_actions([action])


def _ask(target: Target, call: Callable[[ImprovementServiceStub], Awaitable[T]], request_id: str = "") -> T:
    return answer_of(target, lambda channel: call(ImprovementServiceStub(channel)), request_id)
