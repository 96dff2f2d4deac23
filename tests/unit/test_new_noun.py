"""A new noun is a table of columns and its verbs; lists, paging, JSON, request ids and exit codes come with them."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import click
import grpc
import pytest
from click.testing import CliRunner, Result
from google.protobuf.message import Message

from gateway.api.region.v1.fault_pb2 import Fault
from gateway.api.region.v1.fault_service_pb2 import (
    CancelFaultRequest,
    CancelFaultResponse,
    ListFaultsRequest,
    ListFaultsResponse,
)
from gateway.api.region.v1.fault_service_pb2_grpc import FaultServiceStub
from gateway.cli.asking import limit_option
from gateway.cli.table import Table, TableColumn
from region_node.cli.asking import Asking, reads, writes
from region_node.cli.connection import Target
from region_node.cli.options import staff_option

NODE = ("--node", "127.0.0.1:1", "--federation", "f.example", "--region", "sichuan")
OUTAGES = Table[Fault](
    TableColumn("fault", lambda each: each.id), TableColumn("cause", lambda each: each.root_cause_id or "-")
)


@click.group()
def noun() -> None:
    """What a test adds."""


@noun.command("list")
@reads(limit_option(), staff_option)
@click.option("--number", default="")
def list_command(asking: Asking, number: str) -> None:
    """List."""
    found = asking.ask(lambda channel: FaultServiceStub(channel).ListFaults, ListFaultsRequest(number=number))
    asking.show(found, OUTAGES, found.faults)


@noun.command()
@writes(staff_option, done="it is over")
@click.argument("fault")
def cancel(asking: Asking, fault: str) -> None:
    """Cancel."""
    answer = asking.ask(lambda channel: FaultServiceStub(channel).CancelFault, CancelFaultRequest(fault_id=fault))
    asking.tell(answer.fault, OUTAGES.show_one)


class Node:
    """A stand-in for a node: keeps its requests, and answers or refuses."""

    def __init__(self, answers: Sequence[Message] = (), code: grpc.StatusCode | None = None) -> None:
        self.asked: list[Message] = []
        self._answers = iter(answers)
        self._code = code

    def unary_unary(self, *_: object, **__: object) -> Callable[..., object]:
        """See grpc.aio.Channel."""

        async def call(request: Message, timeout: float) -> Message:
            assert timeout > 0, "a call without a deadline waits for ever"
            self.asked.append(request)
            if self._code is not None:
                raise grpc.aio.AioRpcError(self._code, grpc.aio.Metadata(), grpc.aio.Metadata())
            return next(self._answers)

        return call

    unary_stream = unary_unary


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    monkeypatch.delenv("CROSSREGION_STAFF_ID", raising=False)

    def run(node: Node, *words: str) -> Result:
        @asynccontextmanager
        async def channel(_: Target) -> AsyncIterator[Node]:
            yield node

        monkeypatch.setattr(Target, "channel", channel)
        return CliRunner().invoke(noun, [*words, *NODE, "--credentials", str(tmp_path)])

    return run


def test_a_list_is_a_table_that_says_where_it_goes_on(run: Callable[..., Result]) -> None:
    node = Node([ListFaultsResponse(faults=[Fault(id="sichuan/F1", root_cause_id="cable")], next_page_token="more")])
    told = run(node, "list", "--number", "1", "--limit", "7", "--staff-id", "4711")
    assert (told.exit_code, told.stdout.split()) == (0, ["fault", "cause", "sichuan/F1", "cable"])
    assert "There are more" in told.stderr
    (asked,) = node.asked
    assert isinstance(asked, ListFaultsRequest)
    assert (asked.page_size, asked.number, asked.requester.staff_id) == (7, "1", "4711")
    assert run(Node([ListFaultsResponse()]), "list").stdout == "There is none.\n"


def test_programs_are_told_the_answer_as_json(run: Callable[..., Result]) -> None:
    told = run(Node([ListFaultsResponse(faults=[Fault(id="sichuan/F1")], next_page_token="more")]), "list", "--json")
    assert json.loads(told.stdout) == {"faults": [{"id": "sichuan/F1"}], "next_page_token": "more"}
    assert told.stderr == ""
    told = run(Node([CancelFaultResponse(fault=Fault(id="sichuan/F1"))]), "cancel", "sichuan/F1", "--json")
    assert json.loads(told.stdout) == {"id": "sichuan/F1"}


def test_what_is_done_is_done_once_by_the_id_that_was_given_or_made(run: Callable[..., Result]) -> None:
    for given in ("r1", ""):
        node = Node([CancelFaultResponse(fault=Fault(id="sichuan/F1"))])
        told = run(node, "cancel", "sichuan/F1", "--request-id", given)
        assert (told.exit_code, told.stdout.split()) == (0, ["fault", "cause", "sichuan/F1", "-"])
        (asked,) = node.asked
        assert isinstance(asked, CancelFaultRequest)
        assert asked.request_id == given if given else len(asked.request_id) == 32


@pytest.mark.parametrize(
    ("code", "exit_code", "said"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, 1, "Refused: "),
        (grpc.StatusCode.UNAVAILABLE, 3, "Run it again with --request-id r1: it is done once."),
    ],
)
def test_a_refusal_and_silence_have_exit_codes(
    run: Callable[..., Result], code: grpc.StatusCode, exit_code: int, said: str
) -> None:
    told = run(Node(code=code), "cancel", "sichuan/F1", "--request-id", "r1")
    assert told.exit_code == exit_code
    assert said in told.stderr


def test_the_help_tells_the_options_and_exit_codes(run: Callable[..., Result]) -> None:
    listed, cancelled = (CliRunner().invoke(noun, [verb, "--help"]).output for verb in ("list", "cancel"))
    assert [listed.index(each) for each in ("--node", "--number", "--limit", "--staff-id", "--json")] == sorted(
        listed.index(each) for each in ("--node", "--number", "--limit", "--staff-id", "--json")
    )
    assert "3  the node cannot be reached, or cannot answer just now" in listed
    assert "--request-id" in cancelled
    assert "0  it is over" in cancelled
