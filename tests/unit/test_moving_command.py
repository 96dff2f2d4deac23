"""`region-node customers move`: the request, the customer's code, and what to do where the code cannot be sent."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner, Result
from google.protobuf.message import Message

from gateway.api.region.v1.customer_move_pb2 import CustomerMove, MoveState
from gateway.api.region.v1.customer_move_service_pb2 import StartMoveRequest, StartMoveResponse
from gateway.api.region.v1.verification_service_pb2 import SendCodeRequest, SendCodeResponse
from region_node.cli.connection import Target
from region_node.cli.customers.moves import move

NUMBER = "+8619851000001"
WORDS = (NUMBER, "--to", "guangdong", "--plan", "guangdong-79", "--staff-id", "4711", "--request-id", "m1")
NODE = ("--node", "127.0.0.1:1", "--federation", "f.example", "--region", "sichuan")


class Node:
    """A stand-in for a node that has the move in a state, and may be unable to send codes."""

    def __init__(self, state: MoveState.ValueType, code: grpc.StatusCode | None = None) -> None:
        self.asked: list[Message] = []
        self._state = state
        self._code = code

    def unary_unary(self, *_: object, **__: object) -> Callable[..., object]:
        """See grpc.aio.Channel."""

        async def call(request: Message, timeout: float) -> Message:
            assert timeout > 0, "a call without a deadline waits for ever"
            self.asked.append(request)
            if isinstance(request, StartMoveRequest):
                return StartMoveResponse(move=CustomerMove(id="sichuan/counter/m1", state=self._state))
            if self._code is not None:
                raise grpc.aio.AioRpcError(self._code, grpc.aio.Metadata(), grpc.aio.Metadata())
            return SendCodeResponse()

        return call


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Node], Result]:
    def run(node: Node) -> Result:
        @asynccontextmanager
        async def channel(_: Target) -> AsyncIterator[Node]:
            yield node

        monkeypatch.setattr(Target, "channel", channel)
        return CliRunner().invoke(move, [*WORDS, *NODE, "--credentials", str(tmp_path)])

    return run


def test_where_the_code_cannot_be_sent_the_id_of_the_move_sends_it_and_requests_nothing_twice(
    run: Callable[[Node], Result],
) -> None:
    away = Node(MoveState.MOVE_STATE_REQUESTED, grpc.StatusCode.UNAVAILABLE)
    told = run(away)
    assert told.exit_code == 3, told.output
    assert "sichuan/counter/m1" in told.stdout, "the move is requested, whatever becomes of the code"
    assert "--request-id m1" in told.stderr
    back = Node(MoveState.MOVE_STATE_REQUESTED)
    assert run(back).exit_code == 0
    assert back.asked == away.asked, "both requests are repeated, and the code keeps its id"
    _, code = back.asked
    assert isinstance(code, SendCodeRequest)
    assert (code.number, code.requester.staff_id) == (NUMBER, "4711")


@pytest.mark.parametrize("state", [MoveState.MOVE_STATE_CANCELLED, MoveState.MOVE_STATE_MOVING])
def test_a_customer_gets_no_code_for_a_move_that_awaits_none(
    run: Callable[[Node], Result], state: MoveState.ValueType
) -> None:
    node = Node(state)
    assert run(node).exit_code == 0
    assert [type(each) for each in node.asked] == [StartMoveRequest]
