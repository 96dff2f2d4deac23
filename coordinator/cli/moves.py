"""`coordinator moves`."""

from datetime import UTC, datetime

import click

from coordinator.cli.asking import Asking, asks
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.output import tell_unanswered, titled, told_due
from coordinator.wording.ages import told_age
from gateway.api.coordinator.v1 import customer_move_oversight_service_pb2 as contract
from gateway.api.coordinator.v1.customer_move_oversight_service_pb2_grpc import CustomerMoveOversightServiceStub
from gateway.api.region.v1.customer_move_oversight_service_pb2 import CustomerMoveHeader, MoveAwaiting
from gateway.api.region.v1.customer_move_pb2 import MoveState
from gateway.cli.asking import limit_option
from gateway.cli.table import Table, TableColumn
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.words import value_word


@click.command(epilog=EPILOG)
@asks(limit_option("At most so many, the oldest first."))
def moves(asking: Asking) -> None:
    """List the customers' moves between regions that have not ended: state, since when, and what each waits for.

    Nothing here says who a customer is. A move ends once the number plan names the new home.

    \b
    Example:
      coordinator moves
    """
    response = asking.ask(
        lambda channel: CustomerMoveOversightServiceStub(channel).ListOpenMoves, contract.ListOpenMovesRequest()
    )
    asking.show(response, _headers(datetime.now(UTC)), response.moves, titled(translated("Open moves")))
    tell_unanswered(response.unanswered)


def _headers(now: datetime) -> Table[CustomerMoveHeader]:
    return Table(
        TableColumn("move", lambda each: each.id),
        TableColumn("from", lambda each: region_name(each.from_region)),
        TableColumn("to", lambda each: region_name(each.to_region)),
        TableColumn("state", lambda each: value_word(MoveState.DESCRIPTOR, each.state)),
        TableColumn("since", lambda each: told_age(each.change_time, now)),
        TableColumn("waits for", _awaited),
        TableColumn("due", lambda each: told_due(each.due_time, now)),
    )


def _awaited(move: CustomerMoveHeader) -> str:
    """The step that a move awaits, and whose it is."""
    if move.awaiting == MoveAwaiting.MOVE_AWAITING_CUSTOMER:
        return translated("the customer's confirmation")
    if move.awaiting == MoveAwaiting.MOVE_AWAITING_NEW_HOME:
        return translated("the answer of {region}", region=region_name(move.to_region))
    if move.awaiting == MoveAwaiting.MOVE_AWAITING_NUMBER_PLAN:
        return translated("the number plan: a coordinator is told again and again")
    return ""
