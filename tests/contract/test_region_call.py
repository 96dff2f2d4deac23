"""`region-node call` as people use it: a process of its own against a real node's border."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import TypeVar

import grpc
import pytest

from gateway.api.region.v1 import catalogue_service_pb2, order_service_pb2
from gateway.api.region.v1.catalogue_service_pb2_grpc import add_CatalogueServiceServicer_to_server
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.region.v1.order_service_pb2 import (
    SubmitOrderRequest,
    SubmitOrderResponse,
    WatchOrdersRequest,
    WatchOrdersResponse,
)
from gateway.api.region.v1.order_service_pb2_grpc import (
    OrderServiceServicer,
    add_OrderServiceServicer_to_server,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border
from gateway.rpc.server import Service
from gateway.store.schema import migrations_of
from region_node.business.catalogue.service import CatalogueService
from region_node.node.context import RegionContext
from region_node.schema import PACKAGES
from tests import preloaded
from tests.completing import completed, completed_at_last
from tests.contract.small_federation import CLOCK, CONFIGURATION, FEDERATION, NOTHING_LISTENS, Certificates, serving
from tests.contract.stores import SqliteAdapter
from tests.preloaded import Ended
from tests.simulation.world import keys

T = TypeVar("T")
REGION = "guangdong"
CATALOGUE = catalogue_service_pb2.DESCRIPTOR.services_by_name["CatalogueService"]
ORDERS = order_service_pb2.DESCRIPTOR.services_by_name["OrderService"]
PATIENCE_S = 60.0
REQUEST = '{"request_id": "counter-7-42", "order": {"business": "SUSPEND"}}'


class Orders(OrderServiceServicer):
    """A programmable server, which remembers its requests."""

    def __init__(self) -> None:
        self.requests: list[SubmitOrderRequest] = []
        self.refusal: Refused | None = None
        self.is_silent = False
        self.cuts_streams = False

    async def SubmitOrder(  # noqa: N802 - named by gRPC
        self,
        request: SubmitOrderRequest,
        context: grpc.aio.ServicerContext[SubmitOrderRequest, SubmitOrderResponse],
    ) -> SubmitOrderResponse:
        self.requests.append(request)
        if self.refusal is not None:
            raise self.refusal
        if self.is_silent:
            await asyncio.Event().wait()
        return SubmitOrderResponse(order=Order(id="guangdong-1"))

    async def WatchOrders(  # noqa: N802 - named by gRPC
        self,
        request: WatchOrdersRequest,
        context: grpc.aio.ServicerContext[WatchOrdersRequest, WatchOrdersResponse],
    ) -> AsyncIterator[WatchOrdersResponse]:
        yield WatchOrdersResponse(token="t-0")
        yield WatchOrdersResponse(token="t-1", order=Order(id="guangdong-1"))
        if self.cuts_streams:
            raise RuntimeError("cut")
        await asyncio.Event().wait()


class Shell:
    """A shell of somebody at the counter of Guangdong, with the environment that the command reads."""

    def __init__(self, endpoint: str, credentials: Path) -> None:
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "CROSSREGION_NODE": endpoint,
            "CROSSREGION_CREDENTIALS": str(credentials),
            "CROSSREGION_FEDERATION": FEDERATION,
            "CROSSREGION_REGION": REGION,
        }

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        command = [sys.executable, "-m", "region_node.cli.main", "call", *arguments]
        return await asyncio.create_subprocess_exec(
            *command, env=self.environment, stdin=PIPE, stdout=PIPE, stderr=PIPE
        )

    async def completed(self, *words: str) -> list[str]:
        return await completed(self.environment, "region-node", *words)

    async def call(self, *arguments: str, typed: str = "") -> Ended:
        return await self.run("region_node.cli.main", "call", *arguments, typed=typed)

    async def run(self, module: str, *arguments: str, typed: str = "") -> Ended:
        return await asyncio.to_thread(preloaded.run, module, *arguments, environment=self.environment, typed=typed)


def at_the_counter(directory: Path, story: Callable[[Shell, Orders], Coroutine[None, None, T]]) -> T:
    """Runs a story against a Guangdong node that serves orders and the catalogue."""
    certificates = Certificates(directory)
    current = CurrentFederation()
    orders = Orders()  # type: ignore[abstract]  # its other methods are not called
    current.update(Federation(1, CONFIGURATION), [])
    region = RegionContext(Border(REGION, keys().signers[REGION], keys().trusted, current))
    credentials = certificates.credentials(f"region/{REGION}/operator/crm").certificate.parent

    async def run() -> T:
        async with SqliteAdapter(directory).open(migrations_of(*PACKAGES)) as store:
            catalogue = CatalogueService(region, store, CLOCK)
            services = [
                Service(CATALOGUE, lambda server: add_CatalogueServiceServicer_to_server(catalogue, server)),
                Service(ORDERS, lambda server: add_OrderServiceServicer_to_server(orders, server)),
            ]
            async with serving(certificates, f"region/{REGION}", services, REGION) as endpoint:
                return await story(Shell(endpoint, credentials), orders)

    return asyncio.run(run())


def ended(directory: Path, *arguments: str, typed: str = "") -> Ended:
    """How one call ended."""
    return at_the_counter(directory, lambda shell, orders: shell.call(*arguments, typed=typed))


def test_the_answer_is_printed_as_json_with_the_names_of_the_contract(tmp_path: Path) -> None:
    call = ended(tmp_path, "CatalogueService.GetBusinessGuide", "--json", '{"business": "SUSPEND"}')
    assert (call.code, call.err) == (0, "")
    told = json.loads(call.out)
    assert told["business"]["code"] == "SUSPEND"
    assert told["offered_here"] is True
    assert "停机" in call.out


@pytest.mark.parametrize("source", ["text", "file", "stdin"])
def test_the_request_comes_from_the_command_line_a_file_or_standard_input(source: str, tmp_path: Path) -> None:
    file = tmp_path / "order.json"
    file.write_text(REQUEST, encoding="utf-8")
    given = {"text": REQUEST, "file": f"@{file}", "stdin": "-"}[source]

    async def story(shell: Shell, orders: Orders) -> None:
        call = await shell.call("OrderService.SubmitOrder", "--json", given, typed=REQUEST)
        assert json.loads(call.out)["order"]["id"] == "guangdong-1"
        assert [request.request_id for request in orders.requests] == ["counter-7-42"]

    at_the_counter(tmp_path, story)


@pytest.mark.parametrize(
    ("language", "told"),
    [
        (
            "en",
            "Refused: There is no business SUSPND in the catalogue. Did you mean SUSPEND? (BUSINESS_UNKNOWN)\n",
        ),
        ("zh", "已拒绝：业务目录中没有SUSPND。您是不是要找SUSPEND？（BUSINESS_UNKNOWN）\n"),
    ],
)
def test_a_refusal_is_told_in_the_language_asked_for_and_ends_with_1(language: str, told: str, tmp_path: Path) -> None:
    content = '{"business": "SUSPND"}'
    call = ended(tmp_path, "CatalogueService.GetBusinessGuide", "--json", content, "--lang", language)
    assert (call.code, call.out, call.err) == (1, "", told)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("OrderService.SubmitOrdr",),
            "There is no method OrderService.SubmitOrdr. `region-node call --list` lists them.",
        ),
        (("OrderService.SubmitOrdr",), "Did you mean OrderService.SubmitOrder, "),
        (("submitordr", "--lang", "zh"), "您是不是要找OrderService.SubmitOrder、"),
        (("OrderService.SubmitOrders",), "region-node orders submit-file"),
        (("BillingService.QueryBills",), "once for each"),
        (("AlarmService.SendAlarms",), "region-node alarms import"),
        (("OrderService.SubmitOrder", "--json", "{"), "The JSON is not a SubmitOrderRequest"),
        (("OrderService.SubmitOrder", "--json", "[]"), "it is not an object"),
        (("OrderService.SubmitOrder", "--json", '{"id": 1}'), "Its fields are: request_id, order, wait"),
        (("OrderService.SubmitOrder", "--json", '{"order": {"applicant": 1e400}}'), "order.applicant field"),
        (("OrderService.SubmitOrder", "--json", '{"a":' * 10_000), "it is nested too deep"),
        (("OrderService.SubmitOrder", "--json", "@nowhere.json"), "nowhere.json: No such file"),
        (("OrderService.SubmitOrder", "--region", "Guang dong"), "no node can be of the region 'Guang dong'"),
        (("OrderService.SubmitOrder", "--credentials", "nowhere"), "nowhere/authority.crt: No such file"),
        (
            ("OrderService.SubmitOrder", "--credentials", "nowhere"),
            "--credentials names the directory with authority.crt",
        ),
        (("OrderService.SubmitOrder", "--node", "127.0.0.1"), "write it as HOST:PORT"),
    ],
)
def test_what_cannot_be_sent_ends_with_2_and_says_what_there_is(
    arguments: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    async def story(shell: Shell, orders: Orders) -> None:
        call = await shell.call(*arguments)
        assert (call.code, call.out) == (2, "")
        assert told in call.err
        assert not orders.requests

    at_the_counter(tmp_path, story)


@pytest.mark.guarantee("G13")
def test_an_outcome_that_is_not_known_ends_with_3_and_says_how_to_ask_again(tmp_path: Path) -> None:
    async def story(shell: Shell, orders: Orders) -> None:
        orders.is_silent = True
        call = await shell.call("OrderService.SubmitOrder", "--json", REQUEST, "--timeout", "1")
        assert (call.code, call.out) == (3, "")
        assert "Not known whether it was done" in call.err
        assert "DEADLINE_EXCEEDED" in call.err
        assert "same request_id counter-7-42" in call.err

    at_the_counter(tmp_path, story)


def test_a_defect_of_the_node_leaves_the_outcome_open(tmp_path: Path) -> None:
    async def story(shell: Shell, orders: Orders) -> None:
        orders.refusal = Refused(Reason.REASON_INTERNAL, incident="4711")
        call = await shell.call("OrderService.SubmitOrder", "--json", REQUEST, "--lang", "zh")
        assert call.code == 3
        assert "结果未知" in call.err
        assert "4711" in call.err
        assert "counter-7-42" in call.err

    at_the_counter(tmp_path, story)


def test_a_node_that_is_not_there_leaves_the_outcome_open(tmp_path: Path) -> None:
    call = ended(tmp_path, "CatalogueService.ListPlans", "--node", NOTHING_LISTENS)
    assert call.code == 3
    assert "UNAVAILABLE" in call.err
    assert f"no answer from {NOTHING_LISTENS}, which has to prove that it is guangdong.region.{FEDERATION}" in call.err
    assert "nothing listens there. To do: start the server, or correct --node" in call.err
    assert "only reads: ask again" in call.err


def test_another_regions_node_is_not_taken_for_the_one_asked_for_and_is_named(tmp_path: Path) -> None:
    call = ended(tmp_path, "CatalogueService.ListPlans", "--region", "sichuan")
    assert (call.code, call.out) == (3, "")
    assert (
        f"which has to prove that it is sichuan.region.{FEDERATION}: guangdong.region.{FEDERATION} serves" in call.err
    )
    assert "correct --region, --federation or --node" in call.err


def test_a_watch_prints_one_object_a_line_until_it_is_interrupted(tmp_path: Path) -> None:
    async def story(shell: Shell, orders: Orders) -> None:
        process = await shell.start("OrderService.WatchOrders")
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            lines = [json.loads(await process.stdout.readline()) for _ in range(2)]
            process.send_signal(signal.SIGINT)
            err = (await process.communicate())[1]
        assert lines == [{"token": "t-0"}, {"token": "t-1", "order": {"id": "guangdong-1"}}]
        assert (process.returncode, err) == (0, b"")

    at_the_counter(tmp_path, story)


def test_a_watch_with_a_timeout_ends_well_after_it(tmp_path: Path) -> None:
    call = ended(tmp_path, "OrderService.WatchOrders", "--timeout", "1.5")
    assert (call.code, call.err) == (0, "")
    assert call.out.count("\n") == 2


def test_a_watch_that_was_cut_says_where_to_go_on(tmp_path: Path) -> None:
    async def story(shell: Shell, orders: Orders) -> None:
        orders.cuts_streams = True
        call = await shell.call("OrderService.WatchOrders")
        assert call.code == 3
        assert '{"token": "t-1"}' in call.err

    at_the_counter(tmp_path, story)


def test_no_command_keeps_a_channel_beyond_its_last_word(tmp_path: Path) -> None:
    # gRPC waits for the channels that are left at the end of a process, for two seconds.
    guide = ("call", "CatalogueService.GetBusinessGuide", "--json")
    kinds = {
        "answered": (*guide, '{"business": "SUSPEND"}'),
        "call refused": (*guide, '{"business": "NO_SUCH"}'),
        "stream that ended": ("call", "OrderService.WatchOrders", "--timeout", "1"),
        "node away": ("faults", "list", "--staff-id", "4711", "--node", NOTHING_LISTENS),
        "command refused": ("faults", "list", "--staff-id", "4711"),
        "records refused": ("sharing", "purposes"),
        "stream refused": ("alarms", "watch"),
        "import refused": ("alarms", "import", str(tmp_path / "alarms.jsonl")),
    }
    (tmp_path / "alarms.jsonl").write_text("{}\n", encoding="utf-8")

    async def story(shell: Shell, orders: Orders) -> None:
        wrong = []
        for kind, arguments in kinds.items():
            ended = await shell.run("tests.contract.left_channels", "region_node.cli.main", *arguments)
            if ended.err.splitlines()[-1] != "0 of 1 channels are left":
                wrong.append(f"{kind}: {ended.err}")
        assert not wrong, "\n".join(wrong)

    at_the_counter(tmp_path, story)


def test_the_list_has_one_line_for_each_method_and_needs_no_node(tmp_path: Path) -> None:
    call = ended(tmp_path, "--list")
    assert call.code == 0
    lines = call.out.splitlines()
    assert len(lines) == len({line.split()[0] for line in lines}) > 10
    for method in ("OrderService.ReviewOrder", "ComplaintService.FileComplaint", "FaultService.ReportFault"):
        assert method in call.out
    assert "Oversight" not in call.out
    assert all(len(line.split()) > 1 and line.endswith(".") for line in lines)
    assert not [line for line in lines if line.endswith(" art.")], "a sentence does not end at an abbreviation"


def test_options_are_completed_by_names_that_the_node_tells_and_by_none_where_it_is_away(tmp_path: Path) -> None:
    async def story(shell: Shell, orders: Orders) -> None:
        listing = ("complaints", "list", "--category")
        assert await completed_at_last(shell.environment, "region-node", *listing, "BILL_R") == [
            "BILL_REFUND_LATE",
            "BILL_ROAM",
        ]
        assert await shell.completed(*listing, "NO_SUCH") == []
        assert await shell.completed("complaints", "list", "--region", "g") == [REGION]
        away = ("complaints", "list", "--node", NOTHING_LISTENS)
        assert await shell.completed(*away, "--category", "") == []
        assert await shell.completed(*listing[:2], "--credentials", "nowhere", "--category", "") == []
        assert await shell.completed(*listing[:2], "--credentials", "nowhere", "--region", "") == []
        # The node of the test has none of the records of which this tells the purposes.
        assert await shell.completed("sharing", "read", "+8619851000001", "--purpose", "") == []

    at_the_counter(tmp_path, story)


def test_help_shows_how_it_is_used(tmp_path: Path) -> None:
    call = ended(tmp_path, "--help")
    assert call.code == 0
    for told in ("Examples:", "Exit codes:", "CROSSREGION_NODE", "--lang"):
        assert told in call.out
