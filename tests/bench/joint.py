"""`python -m tests.bench.joint`: many joint orders of five regions at once, beside plain orders of two of them."""

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
import grpc
import uvloop

from deploy.local.federation import OPERATOR, LocalFederation
from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder, JointOrderState, JointPlace
from gateway.api.region.v1.joint_order_service_pb2 import (
    GetJointOrderRequest,
    SubmitJointOrderRequest,
    WorkOnJointOrderRequest,
)
from gateway.api.region.v1.joint_order_service_pb2_grpc import JointOrderServiceStub
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Document
from gateway.errors import from_rpc_error
from gateway.time.clock import to_timestamp
from tests.bench.load import CALL_TIMEOUT, OrderWork, run_calls
from tests.bench.orders import CUSTOMERS, HANDLING, requester, with_room
from tests.bench.processor_time import processor_seconds
from tests.bench.report import Report, Spread
from tests.bench.requirements import BUILD, Needs, ready, working_directory
from tests.bench.rest import at_rest
from tests.bench.results import circumstances, write_report
from tests.bench.running import fill

REGIONS = 5
STAFF = "li"
_CALLS = 24  # under way at one region's node, which gives one caller at least 32 places
_PATIENCE = 600.0  # seconds for one step, which waits for the steps of other regions
_FIRST_LOOK, _LONGEST_LOOK = 0.1, 2.0  # seconds between two tries of a step
NOT_YET = (
    Reason.REASON_JOINT_ORDER_NOT_FOUND,
    Reason.REASON_JOINT_ITEM_NOT_FOUND,
    Reason.REASON_JOINT_ITEM_STATE_FORBIDS,
)


class JointOrderNotCompleted(Exception):
    """A joint order has another end: the run measures nothing."""


@dataclass(frozen=True)
class Done:
    """So many orders from the first call to the last answer."""

    orders: int
    seconds: float
    processor_seconds: float
    """Of all servers together."""

    @property
    def rate(self) -> float:
        """Orders a second."""
        return self.orders / self.seconds

    @property
    def cost(self) -> float:
        """Processor seconds of all servers for one order."""
        return self.processor_seconds / self.orders


class JointWork:
    """Joint orders, each with an item in every region, and the staff of the regions, who do all steps as they can."""

    def __init__(self, counters: Mapping[str, grpc.aio.Channel], staff: Mapping[str, grpc.aio.Channel]) -> None:
        self._regions = list(counters)
        self._counters = {region: JointOrderServiceStub(channel) for region, channel in counters.items()}
        self._staff = {region: JointOrderServiceStub(channel) for region, channel in staff.items()}
        self._rooms = {region: asyncio.Semaphore(_CALLS) for region in counters}
        self._run = secrets.token_hex(4)
        self._number = 0

    async def run(self, count: int) -> None:
        """Submits so many orders, the regions lead in turns, then has all of them done.

        Raises JointOrderNotCompleted, and TimeoutError.
        """
        leaders = [self._regions[each % len(self._regions)] for each in range(count)]
        orders = await asyncio.gather(*(self._submit(leader) for leader in leaders))
        await asyncio.gather(*(self._complete(order) for order in orders))

    async def _submit(self, leader: str) -> JointOrder:
        self._number += 1
        asked = submission(f"{self._run}-{self._number}", leader, self._regions)
        async with self._rooms[leader]:
            submit = self._counters[leader].SubmitJointOrder
            return (await with_room(lambda: submit(asked, timeout=CALL_TIMEOUT))).order

    async def _complete(self, order: JointOrder) -> None:
        work = [(item.region, steps(order, item)) for item in order.items]
        await asyncio.gather(*(self._do(region, asked[:1]) for region, asked in work))
        await asyncio.gather(*(self._do(region, asked[1:]) for region, asked in work))
        asked = GetJointOrderRequest(joint_order_id=order.id, requester=requester())
        end, wait = asyncio.get_running_loop().time() + _PATIENCE, _FIRST_LOOK
        while True:
            async with self._rooms[order.leader_region]:
                get = self._counters[order.leader_region].GetJointOrder
                answer = await with_room(lambda: get(asked, timeout=CALL_TIMEOUT))  # noqa: B023 - called at once
            if answer.order.state == JointOrderState.JOINT_ORDER_STATE_COMPLETED:
                return
            if asyncio.get_running_loop().time() > end or answer.order.HasField("end_time"):
                raise JointOrderNotCompleted(f"{order.id} is {JointOrderState.Name(answer.order.state)}")
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_LOOK)

    async def _do(self, region: str, work: Sequence[WorkOnJointOrderRequest]) -> None:
        """Does one step after the other, each again and again until the steps of others permit it."""
        for asked in work:
            wait = _FIRST_LOOK
            async with asyncio.timeout(_PATIENCE):
                while not await self._is_done(region, asked):
                    await asyncio.sleep(wait)
                    wait = min(wait * 2, _LONGEST_LOOK)

    async def _is_done(self, region: str, asked: WorkOnJointOrderRequest) -> bool:
        async with self._rooms[region]:
            try:
                await with_room(lambda: self._staff[region].WorkOnJointOrder(asked, timeout=CALL_TIMEOUT))
            except grpc.aio.AioRpcError as error:
                refused = from_rpc_error(error)
                if refused is None or refused.reason not in NOT_YET:
                    raise
                return False
        return True


def submission(request_id: str, leader: str, regions: Sequence[str]) -> SubmitJointOrderRequest:
    """A joint order of a region with a place in each other one."""
    codes, verified = ("CONTRACT", "SEAL_LETTER"), to_timestamp(datetime.now(UTC))
    papers = [Document(code=each, verifier="4711", verify_time=verified, keyed_hash=bytes(32)) for each in codes]
    request = OrderRequest(
        business="LEASED_CHANGE",
        applicant=Applicant.APPLICANT_ENTERPRISE,
        documents=papers,
        characteristics={"bandwidth": "1 Gbit/s"},
        requester=requester(),
    )
    places = [JointPlace(region=each, address="1 Main Street") for each in regions if each != leader]
    return SubmitJointOrderRequest(request_id=request_id, order=request, places=places)


def steps(order: JointOrder, item: JointItem) -> list[WorkOnJointOrderRequest]:
    """The steps of the staff of a region that complete its item: it reserves room, then reaches the milestones."""
    work = [WorkOnJointOrderRequest(reserve=WorkOnJointOrderRequest.Reserve())]
    work += [WorkOnJointOrderRequest(reach=milestone.kind) for milestone in item.milestones[1:]]
    for asked in work:
        asked.joint_order_id, asked.item_id = order.id, item.id
        asked.request_id = f"{order.id.replace('/', '-')}-{item.id}-{asked.WhichOneof('step')}-{asked.reach}"
    return work


async def measure(federation: LocalFederation, orders: int, rounds: int) -> list[tuple[Done, Done]]:
    """Plain orders and joint orders in turns, so many of each in a round."""
    pids = [each.pid for each in federation.processes.values()]
    async with AsyncExitStack() as stack:
        counters, staff = dict[str, grpc.aio.Channel](), dict[str, grpc.aio.Channel]()
        for region in federation.regions:
            federation.issue_staff(region, STAFF)
            counters[region] = await stack.enter_async_context(federation.dial_region(region, f"{region}-{OPERATOR}"))
            staff[region] = await stack.enter_async_context(federation.dial_region(region, f"{region}-{STAFF}"))
        joint, callers = JointWork(counters, staff), OrderWork(counters[HANDLING]).callers(_CALLS)
        found: list[tuple[Done, Done]] = []
        for _ in range(rounds):
            used, started = processor_seconds(pids), time.perf_counter()
            await run_calls(callers, orders)
            between, middle = processor_seconds(pids), time.perf_counter()
            await joint.run(orders)
            after, ended = processor_seconds(pids), time.perf_counter()
            found.append(
                (Done(orders, middle - started, between - used), Done(orders, ended - middle, after - between))
            )
        return found


@dataclass(frozen=True)
class Beside:
    """A figure of joint orders beside that of plain ones, with the ratios of each round."""

    name: str
    unit: str
    plain: Spread
    joint: Spread
    ratio: Spread

    @classmethod
    def of(cls, name: str, unit: str, rounds: Sequence[tuple[float, float]]) -> "Beside":
        """The figure of plain and of joint orders in each round."""
        plain, joint = zip(*rounds, strict=True)
        ratio = Spread.of([measured / base for base, measured in rounds])
        return cls(name, unit, Spread.of(plain), Spread.of(joint), ratio)

    def line(self) -> str:
        """For people."""
        ratio = f"{self.ratio.median:.4g} ({self.ratio.low:.4g} to {self.ratio.high:.4g})"
        plain, joint = self.plain.median, self.joint.median
        return f"{self.name}, {self.unit}: plain {plain:,.1f}, joint {joint:,.1f}, ratio {ratio}"

    def as_json(self) -> Report:
        """For programs."""
        return {"unit": self.unit, **{each: getattr(self, each).plain() for each in ("plain", "joint", "ratio")}}


def figures(found: Sequence[tuple[Done, Done]]) -> dict[str, Beside]:
    """Rate and processor time of joint orders beside those of plain ones, by name."""
    cost = [(plain.cost * 1e3, joint.cost * 1e3) for plain, joint in found]
    return {
        "rate": Beside.of("orders", "1/s", [(plain.rate, joint.rate) for plain, joint in found]),
        "servers_cpu": Beside.of("CPU of servers", "ms an order", cost),
    }


@click.command()
@click.option("--orders", default=1000, show_default=True, help="at once, and as many plain ones")
@click.option("--rounds", default=3, show_default=True)
@click.option("--unsynced", is_flag=True, help="also where a commit costs nothing, for a try")
@click.option("--output", type=click.Path(path_type=Path), default=BUILD / "joint.json", show_default=True)
def main(orders: int, rounds: int, output: Path, *, unsynced: bool) -> None:
    """Measures joint orders, with all steps of all staff, beside plain orders of two regions."""
    others = ready(Needs(output.parent, synced=not unsynced))
    with ExitStack() as stack:
        directory = stack.enter_context(working_directory(output.parent, "joint"))
        federation = at_rest(directory, REGIONS)
        stack.callback(federation.kill)
        federation.start()
        asyncio.run(fill(federation, CUSTOMERS))
        found = figures(uvloop.run(measure(federation, orders, rounds)))
        conditions = circumstances(directory, others, orders=orders, regions=REGIONS, rounds=rounds)
    click.echo(f"{orders} joint orders of {REGIONS} regions at once, with an item in each: all are complete")
    for each in found.values():
        click.echo(each.line())
    write_report(output, {**{name: each.as_json() for name, each in found.items()}, "conditions": conditions})
    click.echo(f"written to {output}")


if __name__ == "__main__":
    main()
