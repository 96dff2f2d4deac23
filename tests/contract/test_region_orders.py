"""`region-node orders` as people use it: a process of its own against a programmable node."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from gateway.api.region.v1 import order_event_service_pb2, order_service_pb2
from gateway.api.region.v1.order_event_service_pb2 import (
    OrderEvent,
    StreamOrderEventsRequest,
    StreamOrderEventsResponse,
)
from gateway.api.region.v1.order_event_service_pb2_grpc import (
    OrderEventServiceServicer,
    add_OrderEventServiceServicer_to_server,
)
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.order_service_pb2 import SubmitOrdersRequest, SubmitOrdersResponse
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceServicer, add_OrderServiceServicer_to_server
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.server import Service
from region_node.requests.checks import error_of
from tests import preloaded
from tests.contract.small_federation import FEDERATION, NOTHING_LISTENS, Certificates, serving
from tests.preloaded import Ended

REGION = "guangdong"
ORDERS = order_service_pb2.DESCRIPTOR.services_by_name["OrderService"]
EVENTS = order_event_service_pb2.DESCRIPTOR.services_by_name["OrderEventService"]
PATIENCE_S = 60.0
ACKNOWLEDGED = OrderState.ORDER_STATE_ACKNOWLEDGED


class Orders(OrderServiceServicer):
    """Accepts every order, except for programmed refusals by request id, and cuts after so many answers."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.refusals: dict[str, list[Refused]] = {}
        self.cuts: list[int] = []
        self.denial: Refused | None = None

    async def SubmitOrders(  # noqa: N802 - named by gRPC
        self,
        request_iterator: AsyncIterator[SubmitOrdersRequest],
        context: grpc.aio.ServicerContext[SubmitOrdersRequest, SubmitOrdersResponse],
    ) -> AsyncIterator[SubmitOrdersResponse]:
        if self.denial is not None:
            raise self.denial
        left = self.cuts.pop(0) if self.cuts else -1
        async for request in request_iterator:
            if left == 0:
                raise Refused(Reason.REASON_TOO_BUSY)
            left -= 1
            self.asked[request.request_id] += 1
            waiting = self.refusals.get(request.request_id)
            if waiting:
                yield SubmitOrdersResponse(request_id=request.request_id, refused=error_of(waiting.pop(0)))
                continue
            order = Order(id=f"{REGION}/crm/{request.request_id}", state=ACKNOWLEDGED)
            yield SubmitOrdersResponse(request_id=request.request_id, order=order)


class Events(OrderEventServiceServicer):
    """Tells ten events in twos; the token is the number of the last. Cuts the stream after so many messages."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.cuts: list[int] = []

    async def StreamOrderEvents(  # noqa: N802 - named by gRPC
        self,
        request: StreamOrderEventsRequest,
        context: grpc.aio.ServicerContext[StreamOrderEventsRequest, StreamOrderEventsResponse],
    ) -> AsyncIterator[StreamOrderEventsResponse]:
        self.tokens.append(request.token)
        after = int(request.token or 0)
        left = self.cuts.pop(0) if self.cuts else -1
        for first in range(after + 1, 11, 2):
            if left == 0:
                raise Refused(Reason.REASON_STORE_UNAVAILABLE)
            left -= 1
            events = [OrderEvent(sequence=each, order_id=f"{REGION}/crm/{each}") for each in (first, first + 1)]
            yield StreamOrderEventsResponse(events=events, token=str(first + 1))
        if not request.only_past:
            await asyncio.Event().wait()


@dataclass(frozen=True)
class Counterside:
    """A shell at the counter, and the node that it reaches."""

    directory: Path
    environment: dict[str, str]
    orders: Orders
    events: Events

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        command = [sys.executable, "-m", "region_node.cli.main", "orders", *arguments]
        return await asyncio.create_subprocess_exec(*command, env=self.environment, stdout=PIPE, stderr=PIPE)

    async def run(self, *arguments: str) -> Ended:
        command = ("region_node.cli.main", "orders", *arguments)
        return await asyncio.to_thread(preloaded.run, *command, environment=self.environment)

    def file(self, count: int, *more: str) -> str:
        """A file of orders with the ids r0, r1 and so on."""
        rows = [json.dumps({"business": "PAY", "request_id": f"r{index}"}) for index in range(count)]
        path = self.directory / "orders.jsonl"
        path.write_text("".join(f"{row}\n" for row in [*rows, *more]), "utf-8")
        return str(path)

    def report(self) -> dict[str, dict[str, object]]:
        """The report's lines by request id; each id has one."""
        rows = [json.loads(line) for line in (self.directory / "report.jsonl").read_text("utf-8").splitlines()]
        found = {str(row["request_id"]): row for row in rows}
        assert len(found) == len(rows)
        return found


def at_the_counter(directory: Path, story: Callable[[Counterside], Coroutine[None, None, None]]) -> None:
    """Runs a story against a node of Guangdong."""
    certificates = Certificates(directory)
    orders = Orders()  # type: ignore[abstract]  # its other methods are not called
    events = Events()
    services = [
        Service(ORDERS, lambda server: add_OrderServiceServicer_to_server(orders, server)),
        Service(EVENTS, lambda server: add_OrderEventServiceServicer_to_server(events, server)),
    ]
    credentials = certificates.credentials(f"region/{REGION}/operator/crm").certificate.parent

    async def run() -> None:
        async with serving(certificates, f"region/{REGION}", services, REGION) as endpoint:
            environment = {
                **os.environ,
                "PYTHONPATH": os.pathsep.join(sys.path),
                "CROSSREGION_NODE": endpoint,
                "CROSSREGION_CREDENTIALS": str(credentials),
                "CROSSREGION_FEDERATION": FEDERATION,
                "CROSSREGION_REGION": REGION,
            }
            await story(Counterside(directory, environment, orders, events))

    asyncio.run(run())


def test_every_line_is_submitted_once_and_the_summary_counts_them(tmp_path: Path) -> None:
    async def story(counter: Counterside) -> None:
        report = str(counter.directory / "report.jsonl")
        ended = await counter.run("submit-file", counter.file(600), "--json", "--report", report)
        assert (ended.code, ended.err) == (0, "")
        summary = json.loads(ended.out)
        assert (summary["lines"], summary["accepted"]) == (600, {"acknowledged": 600})
        assert set(counter.orders.asked.values()) == {1}
        assert {row["outcome"] for row in counter.report().values()} == {"accepted"}
        assert counter.report()["r5"]["line"] == 6
        assert (counter.directory / "report.jsonl").stat().st_mode & 0o777 == 0o600
        assert counter.report()["r5"]["order_id"] == "guangdong/crm/r5"

    at_the_counter(tmp_path, story)


@pytest.mark.parametrize(("language", "told"), [("en", "There is no business"), ("zh", "业务目录中没有")])
def test_what_is_refused_or_unreadable_is_told_in_the_language_asked_for_and_ends_with_1(
    language: str, told: str, tmp_path: Path
) -> None:
    async def story(counter: Counterside) -> None:
        counter.orders.refusals["r1"] = [Refused(Reason.REASON_BUSINESS_UNKNOWN, business="PAY")]
        report = str(counter.directory / "report.jsonl")
        ended = await counter.run("submit-file", counter.file(3, "{"), "--report", report, "--lang", language)
        assert ended.code == 1
        assert told in ended.out
        assert "BUSINESS_UNKNOWN 1" in ended.out
        rows = counter.report()
        outcomes = [row["outcome"] for row in sorted(rows.values(), key=lambda row: str(row["line"]))]
        assert outcomes == ["accepted", "refused", "accepted", "invalid"]
        assert told in str(rows["r1"]["message"])

    at_the_counter(tmp_path, story)


def test_it_goes_on_by_itself_when_streams_are_cut_and_asks_again_what_passes(tmp_path: Path) -> None:
    async def story(counter: Counterside) -> None:
        counter.orders.cuts = [10, 0, 30]
        counter.orders.refusals["r45"] = [Refused(Reason.REASON_STORE_UNAVAILABLE)]
        report = str(counter.directory / "report.jsonl")
        ended = await counter.run("submit-file", counter.file(90), "--report", report)
        assert ended.code == 0, ended
        # A refusal of a stream whose caller still writes may arrive as a stream that was broken off.
        assert "it is tried again" in ended.err
        assert {row["outcome"] for row in counter.report().values()} == {"accepted"}
        assert counter.report().keys() == counter.orders.asked.keys() == {f"r{index}" for index in range(90)}
        assert counter.orders.asked["r45"] >= 2

    at_the_counter(tmp_path, story)


@pytest.mark.guarantee("G13")
def test_where_the_node_stays_away_the_open_lines_are_told_and_it_ends_with_3(tmp_path: Path) -> None:
    async def story(counter: Counterside) -> None:
        report = str(counter.directory / "report.jsonl")
        ended = await counter.run(
            "submit-file",
            counter.file(300),
            "--report",
            report,
            "--node",
            NOTHING_LISTENS,
            "--patience",
            "0.5",
            "--json",
        )
        assert ended.code == 3
        assert "UNAVAILABLE" in ended.err
        assert "Run the same command again" in ended.err
        summary = json.loads(ended.out)
        assert summary["unknown"] + summary["not_sent"] == 300
        assert len(counter.report()) == 300

    at_the_counter(tmp_path, story)


def test_a_caller_who_may_not_submit_is_told_at_once(tmp_path: Path) -> None:
    async def story(counter: Counterside) -> None:
        counter.orders.denial = Refused(Reason.REASON_PERMISSION_DENIED)
        ended = await counter.run("submit-file", counter.file(3))
        assert ended.code == 1
        assert "PERMISSION_DENIED" in ended.err

    at_the_counter(tmp_path, story)


def test_a_file_that_cannot_be_read_is_a_matter_of_usage(tmp_path: Path) -> None:
    async def story(counter: Counterside) -> None:
        for name, told in (("nowhere.csv", "No such file"), ("surname.csv", "surname")):
            (counter.directory / "surname.csv").write_text("business,surname\n", "utf-8")
            ended = await counter.run("submit-file", str(counter.directory / name))
            assert ended.code == 2
            assert told in ended.err
        assert not counter.orders.asked

    at_the_counter(tmp_path, story)


def test_events_are_printed_once_and_the_token_is_kept_over_cuts_and_runs(tmp_path: Path) -> None:
    async def story(counter: Counterside) -> None:
        counter.events.cuts = [2, 0, 1]
        token = counter.directory / "token"
        ended = await counter.run("events", "--token", str(token), "--only-past")
        assert ended.code == 0, ended.err
        assert [int(json.loads(line)["sequence"]) for line in ended.out.splitlines()] == list(range(1, 11))
        assert token.read_text("ascii") == "10\n"
        assert counter.events.tokens == ["", "4", "4", "6"]
        again = await counter.run("events", "--token", str(token), "--only-past")
        assert (again.code, again.out) == (0, "")

    at_the_counter(tmp_path, story)


def test_following_events_ends_well_with_ctrl_c(tmp_path: Path) -> None:
    async def story(counter: Counterside) -> None:
        process = await counter.start("events", "--token", str(counter.directory / "token"))
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(10):
                await process.stdout.readline()
            process.send_signal(signal.SIGINT)
            err = (await process.communicate())[1]
        assert (process.returncode, err) == (0, b"")

    at_the_counter(tmp_path, story)
