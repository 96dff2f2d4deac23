"""The home region's node is killed; an order is accepted meanwhile; it is done once.

Then the audit chain is verified.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from deploy.demo import wording
from deploy.demo.commands import region_command
from deploy.demo.world import World
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.auditing import audit
from gateway.settings import load
from gateway.values.money import in_major_units
from region_node.node.settings import RegionSettings

_AMOUNT = 5_000  # minor units
REQUEST = "pay-2"


async def killed_and_back(world: World) -> None:
    """kill -9, an order, a restart, one effect."""
    stage, here, number = world.stage, world.here, world.people.traveller.product.number
    stage.chapter(
        "Sichuan's node is killed",
        "kill -9, no warning, nothing saved in haste. Guangdong still takes the customer's money and says honestly that"
        " Sichuan has not decided. Nothing may be lost, and nothing done twice.",
    )
    before = (await world.home.customer(number)).billing_account.balance
    node = world.federation.processes["sichuan"]
    stage.say(f"$ kill -9 {node.pid}")
    await asyncio.to_thread(node.kill)
    request = here.request(REQUEST, "PAY", number, {"amount": str(_AMOUNT)}, papers=(), wait=1.0)
    order = await here.submit(request)
    world.orders.append(order.id)
    stage.check(
        "a payment taken meanwhile",
        "acknowledged, home region: decide",
        f"{wording.state(order)}, {wording.turn(order)}",
        f"by {wording.time(order.awaiting.due_time)}",
    )
    stage.told("the customer reads", wording.for_customer(order))
    again = await here.submit(request)
    stage.check("the clerk sends it again", order.id, again.id, "the same order, still waiting")
    month = f"{datetime.now(wording.ZONE):%Y-%m}"
    refused = await wording.outcome(here.bill(number, month))
    stage.check("a bill meanwhile", "UNAVAILABLE REGION_UNREACHABLE", refused.seen, "a question is not kept: ask again")
    begin = datetime.now(UTC)
    await asyncio.to_thread(world.federation.start_region, "sichuan")
    stage.say(f"Sichuan's node starts again, process {node.pid}, on the same database")
    order = await here.until(order.id, lambda seen: seen.state == OrderState.ORDER_STATE_COMPLETED)
    stage.check(
        "the payment", "completed", wording.state(order), f"{wording.span(begin, datetime.now(UTC))} after the start"
    )
    after = (await world.home.customer(number)).billing_account.balance
    stage.check(
        "credited at home",
        in_major_units(_AMOUNT, before.currency),
        in_major_units(after.minor_units - before.minor_units, after.currency),
        f"once: balance {wording.amount(before)} → {wording.amount(after)}",
    )
    settings = world.federation.settings_file("sichuan")
    found = await asyncio.to_thread(_acceptances, settings, order.id)
    stage.check("accepted in Sichuan's audit chain", "once", "once" if found == 1 else f"{found} times")


async def whole_chain(world: World) -> None:
    """The audit chain of the node that was killed."""
    stage = world.stage
    stage.chapter(
        "The audit chain is whole",
        "Every accepted command and every look at a customer is one row in a hash chain; the coordinator keeps its"
        " signed end. The node that was killed is checked from its first row on.",
    )
    settings = world.federation.settings_file("sichuan")
    code = await region_command(world, "audit", "verify", "--settings", str(settings))
    stage.check("audit verify of Sichuan's node", "exit 0", f"exit {code}")


def _acceptances(settings_file: Path, order_id: str) -> int:
    """The number of accepted submissions of an order in the node's audit chain."""
    settings = load(RegionSettings, settings_file)
    with settings.database.look() as tx:
        return sum(row.subject == order_id and row.action == "ENVELOPE_KIND_ORDER_SUBMIT" for row in audit.rows(tx))
