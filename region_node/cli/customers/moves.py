"""`region-node customers move`, `confirm-move`, `cancel-move` and `moves`: another region becomes the home."""

import hashlib
from collections.abc import Sequence

import click

from gateway.api.region.v1 import customer_move_service_pb2 as api
from gateway.api.region.v1.customer_move_pb2 import CustomerMove, MovedLine, MoveState
from gateway.api.region.v1.customer_move_service_pb2_grpc import CustomerMoveServiceStub
from gateway.api.region.v1.verification_service_pb2 import SendCodeRequest, VerifyRequest
from gateway.api.region.v1.verification_service_pb2_grpc import VerificationServiceStub
from gateway.cli.asking import limit_option
from gateway.cli.table import Table, TableColumn
from gateway.wording.words import value_word
from region_node.cli.asking import Asking, reads, repeats, writes
from region_node.cli.options import channel_option, required_staff_option

_MOVES = Table[CustomerMove](
    TableColumn("move", lambda each: each.id),
    TableColumn("from", lambda each: each.from_region),
    TableColumn("to", lambda each: each.to_region),
    TableColumn("state", lambda each: value_word(MoveState.DESCRIPTOR, each.state)),
    TableColumn("lines", lambda each: str(len(each.lines))),
)


@click.command()
@writes(required_staff_option, channel_option)
@click.argument("number")
@click.option("--to", "to_region", required=True, metavar="REGION", help="The new home.")
@click.option(
    "--plan",
    "plans",
    multiple=True,
    required=True,
    metavar="[NUMBER=]PLAN",
    help="A plan of the new home for a line; without a number: for NUMBER. One for each line in service.",
)
def move(asking: Asking, number: str, to_region: str, plans: Sequence[str]) -> None:
    """Request the move of the customer of NUMBER to another home region, and send the customer a code.

    Nothing changes before `confirm-move` with that code. Open orders have to end first. For another code, as after the
    expiry of the first, run it again with the last part of the move's id as --request-id.

    \b
    Example:
      region-node customers move +8619851000001 --to guangdong --plan guangdong-79 --staff-id 4711
    """
    lines = [_line(number, each) for each in plans]
    request = api.StartMoveRequest(number=number, to_region=to_region, lines=lines)
    answer = asking.ask(lambda channel: CustomerMoveServiceStub(channel).StartMove, request)
    asking.tell(answer.move, _MOVES.show_one)  # before the code: the move stands without it
    if answer.move.state != MoveState.MOVE_STATE_REQUESTED:
        return
    code = asking.filled(SendCodeRequest(request_id=_verification(answer.move.id), number=number))
    # The id of this command, not that of the code: it sends another code for the same move.
    asking.link.call(lambda channel: VerificationServiceStub(channel).SendCode, code, None, asking.request_id)


@click.command("confirm-move")
@repeats(required_staff_option, channel_option)
@click.argument("move_id", metavar="MOVE")
@click.argument("number")
@click.option("--code", required=True, help="The code that the customer received on NUMBER.")
def confirm_move(asking: Asking, move_id: str, number: str, code: str) -> None:
    """Confirm MOVE with the customer's code. Afterwards nobody can cancel it.

    \b
    Example:
      region-node customers confirm-move sichuan/crm/m1 +8619851000001 --code 271828 --staff-id 4711
    """
    name = _verification(move_id)
    verify = VerifyRequest(request_id=name, number=number, code=code)
    verified = asking.ask(lambda channel: VerificationServiceStub(channel).Verify, verify)
    request = api.ConfirmMoveRequest(verification_id=name, move_id=move_id, number=number, documents=verified.documents)
    answer = asking.ask(lambda channel: CustomerMoveServiceStub(channel).ConfirmMove, request)
    asking.tell(answer.move, _MOVES.show_one)


@click.command("cancel-move")
@repeats(required_staff_option, channel_option)
@click.argument("move_id", metavar="MOVE")
def cancel_move(asking: Asking, move_id: str) -> None:
    """Cancel MOVE before the customer has confirmed it.

    \b
    Example:
      region-node customers cancel-move sichuan/crm/m1 --staff-id 4711
    """
    request = api.CancelMoveRequest(move_id=move_id)
    answer = asking.ask(lambda channel: CustomerMoveServiceStub(channel).CancelMove, request)
    asking.tell(answer.move, _MOVES.show_one)


@click.command("moves")
@reads(limit_option(), required_staff_option, channel_option)
def list_moves(asking: Asking) -> None:
    """List the moves of customers from and to this region, the newest first.

    \b
    Example:
      region-node customers moves --staff-id 4711
    """
    answer = asking.ask(lambda channel: CustomerMoveServiceStub(channel).ListMoves, api.ListMovesRequest())
    asking.show(answer, _MOVES, answer.moves)


def _line(number: str, plan: str) -> MovedLine:
    of, _, name = plan.rpartition("=")
    return MovedLine(number=of or number, plan_id=name)


def _verification(move_id: str) -> str:
    """The request id of the customer's code: the same for both commands."""
    return f"move-{hashlib.sha256(move_id.encode()).hexdigest()[:24]}"
