"""A leased line through three regions: refused by one at the survey, then built, with processes killed in between."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

from deploy.demo.client import Client
from deploy.demo.commands import coordinator_command, staff_command
from deploy.demo.leased_line_cast import Installer
from deploy.demo.stage import Stage
from deploy.demo.world import REGIONS, World
from gateway.api.region.v1.joint_order_pb2 import JointDecision, JointItemState, JointOrder, JointOrderState

_LEADER = "guangdong"
_PLACES = {"sichuan": "成都市天府大道1号", "henan": "郑州市花园路2号"}
_FULL = "henan"  # at the first try
_NAME = "yang.jie"  # staff of each region who surveys and builds
_HOLDS = (
    JointItemState.JOINT_ITEM_STATE_SURVEYING,
    JointItemState.JOINT_ITEM_STATE_RESERVED,
)

Crew = Mapping[str, Installer]


async def three_regions_one_line(world: World) -> None:
    """All reserve, one decision commits or releases."""
    stage = world.stage
    stage.chapter(
        "One line through three regions",
        "A company orders a leased line from Chengdu to Zhengzhou at the counter in Guangdong. Each region surveys and"
        " reserves its part. Only when all have reserved, Guangdong decides for all of them; else all is released.",
    )
    async with AsyncExitStack() as stack:
        crew = {region: _installer(world, stack, region) for region in REGIONS}
        await _refused(stage, crew)
        order = await _built(world, crew)
    code = await coordinator_command(world, "orders", "why", order.id)
    stage.check("coordinator orders why", "exit 0", f"exit {code}")


def _installer(world: World, stack: AsyncExitStack, region: str) -> Installer:
    world.federation.issue_staff(region, _NAME)
    client = Client(world.federation.region_replicas(region, f"{region}-{_NAME}"))
    stack.push_async_callback(client.close)
    return Installer(_NAME, client)


async def _refused(stage: Stage, crew: Crew) -> None:
    order = await crew[_LEADER].submit("line-1", _PLACES)
    for item in order.items:
        if item.region != _FULL:
            await crew[item.region].reserve(order.id, item.id)
    for item in order.items:
        if item.region == _FULL:
            await crew[item.region].refuse(order.id, item.id, "管道已满")
    ended = await _ended(crew, order.id)
    stage.check("Henan has no room in its ducts", "failed", _states(ended), "so it stands in all three regions")
    left = sum(item.state in _HOLDS for each in ended for item in each.items)
    stage.check("reservations left", "0", str(left), "all were released")


async def _built(world: World, crew: Crew) -> JointOrder:
    stage, federation = world.stage, world.federation
    order = await crew[_LEADER].submit("line-2", _PLACES)
    first, *others = order.items
    await crew[first.region].reserve(order.id, first.id)
    coordinator, leader = federation.coordinators[0], federation.nodes[_LEADER][0]
    stage.say(f"$ kill -9 {coordinator.process.pid} {leader.process.pid}   # {coordinator.name} and {leader.name}")
    await asyncio.to_thread(coordinator.process.kill)
    await asyncio.to_thread(leader.process.kill)
    for item in others:
        if item.region != _LEADER:
            await crew[item.region].reserve(order.id, item.id)
    stage.say("Sichuan and Henan reserve their parts meanwhile; their reports wait")
    await asyncio.to_thread(coordinator.process.start)
    await asyncio.to_thread(leader.process.start)
    for item in others:
        if item.region == _LEADER:
            await crew[item.region].reserve(order.id, item.id)
    decided = await crew[_LEADER].until(order.id, lambda each: each.HasField("decide_time"))
    decisions = {JointDecision.Name(item.decision) for item in decided.items}
    stage.check("decided once both run again", "JOINT_DECISION_COMMIT", ", ".join(decisions), "for every item")
    await asyncio.gather(*(crew[item.region].build(order.id, item.id) for item in order.items))
    ended = await _ended(crew, order.id)
    stage.check("the line is handed over", "completed", _states(ended), "so it stands in all three regions")
    code = await staff_command(stage, federation, _LEADER, f"{_LEADER}-{_NAME}", "joint", "show", order.id)
    stage.check("region-node joint show", "exit 0", f"exit {code}")
    return ended[0]


async def _ended(crew: Crew, order_id: str) -> list[JointOrder]:
    """The order as it ends in each region."""
    return [await installer.until(order_id, lambda each: each.HasField("end_time")) for installer in crew.values()]


def _states(orders: Sequence[JointOrder]) -> str:
    """The states of an order in several regions, each once."""
    names = {JointOrderState.Name(each.state) for each in orders}
    return ", ".join(sorted(name.removeprefix("JOINT_ORDER_STATE_").lower() for name in names))
