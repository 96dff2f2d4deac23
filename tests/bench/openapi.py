"""`python -m tests.bench.openapi`: the Open API of a node beside the RPCs that its requests are.

Both ways have the same callers, in one process, over connections that stay open: by gRPC all share one, by HTTP/1.1
each has its own. The rate counts the work of the client, too, which shares the processors; the processor time of the
servers does not.
"""

import itertools
import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from urllib.parse import quote

import click
import uvloop
from grpc.aio import Channel

from deploy.local.federation import FEDERATION, OPERATOR, LocalFederation
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.region.v1.order_service_pb2 import GetOrderRequest, ListOrdersRequest, SubmitOrderRequest
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.types_pb2 import Applicant
from gateway.security.identity import server_name
from tests.bench.chain import credentials_in
from tests.bench.comparing import turns
from tests.bench.https import HttpCaller, https_context
from tests.bench.load import CALL_TIMEOUT, Call, run_window
from tests.bench.orders import HANDLING, all_lines, requester
from tests.bench.report import PER_SECOND, Comparison, Window
from tests.bench.requirements import BUILD, Needs, ready, working_directory
from tests.bench.results import circumstances, write_report
from tests.bench.running import running
from tests.bench.table import business_table, console

GOAL = 0.5
"""The least rate of a request beside that of its RPC."""
_CALLERS = 32
_PAGE = 50  # orders of a list
_API = "/tmf-api/productOrderingManagement/v4/productOrder"


def _said(**headers: str) -> dict[str, str]:
    """The headers of a request by a member of staff at a counter, beside others."""
    return {"Requester-Staff-Id": requester().staff_id, "Requester-Channel": "counter", **headers}


class EachItsOwn:
    """Callers of whom each has a call of its own (see load.Work)."""

    def __init__(self, make: Callable[[], Call]) -> None:
        self._calls = [make() for _ in range(_CALLERS)]

    def callers(self, count: int) -> Sequence[Call]:
        """See Work."""
        return self._calls[:count]


def by_grpc(channel: Channel, order_id: str) -> Mapping[str, EachItsOwn]:
    """The calls by gRPC, by the name of the RPC."""
    orders, payments = OrderServiceStub(channel), _payments()

    async def get() -> None:
        await orders.GetOrder(GetOrderRequest(order_id=order_id, requester=requester()), timeout=CALL_TIMEOUT)

    async def page() -> None:
        request = ListOrdersRequest(page_size=_PAGE, show_total_size=True, requester=requester())
        await orders.ListOrders(request, timeout=CALL_TIMEOUT)

    async def submit() -> None:
        await orders.SubmitOrder(next(payments), timeout=CALL_TIMEOUT)

    calls: Mapping[str, Call] = {"GetOrder": get, "ListOrders": page, "SubmitOrder": submit}
    return {name: EachItsOwn(partial(_same, call)) for name, call in calls.items()}


def _same(call: Call) -> Call:
    return call


def by_http(dial: Callable[[], HttpCaller], order_id: str) -> Mapping[str, EachItsOwn]:
    """The same calls by HTTP."""
    payments = _payments()

    def get(path: str) -> Callable[[], Call]:
        def make() -> Call:
            caller, said = dial(), _said()

            async def call() -> None:
                await caller.ask("GET", path, said)

            return call

        return make

    def submit() -> Call:
        caller = dial()

        async def call() -> None:
            request = next(payments)
            said = _said(**{"Content-Type": "application/json", "Idempotency-Key": request.request_id})
            await caller.ask("POST", _API, said, product_order(request.order))

        return call

    return {
        "GetOrder": EachItsOwn(get(f"{_API}/{quote(order_id, safe='')}")),
        "ListOrders": EachItsOwn(get(f"{_API}?limit={_PAGE}")),
        "SubmitOrder": EachItsOwn(submit),
    }


def product_order(order: OrderRequest) -> bytes:
    """An order as a ProductOrder."""
    characteristics = [{"name": name, "value": value} for name, value in order.characteristics.items()]
    product = {"realizingResource": [{"id": order.number}], "productCharacteristic": characteristics}
    offering = {"id": order.business}
    item = {"id": "1", "action": "modify", "productOffering": offering, "product": product}
    return json.dumps({"productOrderItem": [item], "relatedParty": [{"id": "holder", "role": "applicant"}]}).encode()


async def measure(federation: LocalFederation, port: int, rounds: int, seconds: float) -> Sequence[Comparison]:
    """Each call by gRPC and by HTTP in turns: the rate, and the processor time of the servers for one call."""
    credentials = credentials_in(federation.directory / "certificates" / f"{HANDLING}-{OPERATOR}")
    context, name = https_context(credentials), server_name(Role.ROLE_REGION, HANDLING, FEDERATION)
    servers = [process.pid for process in federation.processes.values()]
    found: list[Comparison] = []
    async with federation.dial_region(HANDLING, f"{HANDLING}-{OPERATOR}") as channel:
        payments, orders = _payments(), OrderServiceStub(channel)
        made = [(await orders.SubmitOrder(next(payments), timeout=CALL_TIMEOUT)).order.id for _ in range(_PAGE)]
        ways = (
            by_grpc(channel, made[0]),
            by_http(lambda: HttpCaller("127.0.0.1", port, context, name), made[0]),
        )
        for rpc in ways[0]:
            windows = [await _windows([way[rpc] for way in ways], turn, seconds, servers) for turn in turns(2, rounds)]
            for figure, unit, read in _FIGURES:
                pairs = [(read(base), read(measured)) for base, measured in windows]
                found.append(Comparison(f"{rpc}_{unit}", f"{rpc}, {figure}", "gRPC", "HTTP", pairs, unit))
    return found


async def _windows(
    ways: Sequence[EachItsOwn], turn: Sequence[int], seconds: float, servers: Sequence[int]
) -> tuple[Window, Window]:
    found = {place: await run_window(ways[place], _CALLERS, seconds, servers) for place in turn}
    return found[0], found[1]


def _payments() -> Iterator[SubmitOrderRequest]:
    """Payments without end."""
    run = secrets.token_hex(4)
    for number, line in enumerate(itertools.cycle(all_lines())):
        order = OrderRequest(
            business="PAY",
            number=line.number,
            applicant=Applicant.APPLICANT_HOLDER,
            characteristics={"amount": "100"},
            requester=requester(),
        )
        yield SubmitOrderRequest(request_id=f"{run}-{number}", order=order)


_FIGURES: Sequence[tuple[str, str, Callable[[Window], float]]] = (
    (f"{_CALLERS} callers, 1/s", PER_SECOND, lambda window: window.throughput),
    ("processor time of the servers for one, us", "us", lambda window: window.servers_cpu / window.calls * 1e6),
)


@click.command()
@click.option("--rounds", default=4, show_default=True, help="for each call")
@click.option("--seconds", default=2.0, show_default=True, help="for one way in one round")
@click.option("--unsynced", is_flag=True, help="also where a commit costs nothing, for a try")
@click.option("--output", type=click.Path(path_type=Path), default=BUILD / "openapi.json", show_default=True)
def main(rounds: int, seconds: float, output: Path, *, unsynced: bool) -> None:
    """Measures the Open API of a node beside the same RPCs by gRPC."""
    others = ready(Needs(output.parent, synced=not unsynced))
    with ExitStack() as stack:
        directory = stack.enter_context(working_directory(output.parent, "openapi"))
        conditions = circumstances(directory, others, rounds=rounds, seconds_per_round_and_way=seconds, goal=GOAL)
        federation = stack.enter_context(running(directory / "federation", web={HANDLING: "open_apis"}))
        port = federation.web_port(federation.nodes[HANDLING][0])
        found = uvloop.run(measure(federation, port, rounds, seconds))
    console().print(business_table(found))
    write_report(output, {"calls": {each.name: each.plain() for each in found}, "conditions": conditions})
    click.echo(f"written to {output}")


if __name__ == "__main__":
    main()
