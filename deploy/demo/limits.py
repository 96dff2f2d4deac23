"""Refused business: cancelled orders, a repeated request, and business that stays at home."""

from datetime import UTC, datetime, timedelta

from deploy.demo import wording
from deploy.demo.away import PAYMENT
from deploy.demo.commands import coordinator_command
from deploy.demo.world import World
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import reason_name

_ABSENT = "yunnan"  # in the number plan, without a node
_ABSENT_NUMBER = "+8619853000123"


async def second_thoughts(world: World) -> None:
    """A cancellation in time, and one too late."""
    stage, here, number = world.stage, world.here, world.people.traveller.product.number
    stage.chapter(
        "Second thoughts",
        "An order can be cancelled as long as it has had no effect, and only the home region knows whether it had."
        " So it is the home region that answers.",
    )
    start = (datetime.now(UTC) + timedelta(days=2)).isoformat(timespec="seconds")
    order = await here.submit(here.request("suspend-2", "SUSPEND", number, {"reason": "holiday", "start": start}))
    world.orders.append(order.id)
    stage.check(
        "SUSPEND in two days",
        "inProgress, home region: agreed-time",
        f"{wording.state(order)}, {wording.turn(order)}",
        f"due {wording.time(order.awaiting.due_time)}",
    )
    order = await here.cancel("suspend-2-cancel", order.id, "the holiday is off")
    stage.check("cancelled in time", "cancelled", wording.state(order))
    stage.told("the customer reads", wording.for_customer(order))
    line = (await world.home.customer(number)).product
    stage.check("the line at home", "active", wording.status(line.status))
    refused = await wording.outcome(here.cancel("pay-1-cancel", "guangdong/counter/pay-1", "changed my mind"))
    stage.check("the payment cancelled too late", "FAILED_PRECONDITION ORDER_TOO_LATE_TO_CANCEL", refused.seen)
    stage.told("the customer reads", refused.told)


async def nothing_twice(world: World) -> None:
    """A request id names one request forever."""
    stage, here, number = world.stage, world.here, world.people.traveller.product.number
    stage.chapter(
        "Nothing twice",
        "Answers get lost, and clerks press the button again. The request id makes a repeat harmless, and a mix-up"
        " visible.",
    )
    before = (await world.home.customer(number)).billing_account.balance
    again = await here.submit(here.request("pay-1", "PAY", number, {"amount": str(PAYMENT)}, papers=()))
    after = (await world.home.customer(number)).billing_account.balance
    stage.check("the same payment sent again", "guangdong/counter/pay-1", again.id, "the same order")
    stage.check("the balance at home", wording.amount(before), wording.amount(after), "paid once")
    other = here.request("pay-1", "PAY", number, {"amount": str(2 * PAYMENT)}, papers=())
    refused = await wording.outcome(here.submit(other))
    stage.check("the same id with another amount", "ALREADY_EXISTS REQUEST_ID_REUSED", refused.seen)
    stage.told("the clerk reads", refused.told)


async def what_stays_at_home(world: World) -> None:
    """Refusals and a held order, each with its reason."""
    stage, away = world.stage, world.counters["henan"]
    stage.chapter(
        "What cannot be done, and why",
        "A refusal names its rule, in both languages. An order for a province without a node is kept and shown, and"
        " goes on by itself when the province joins. No region is ever guessed.",
    )
    porting = away.request(
        "port-1", "MNP_IN", world.people.visitor_in_henan.product.number, {}, papers=("ID_ORIG", "OTP")
    )
    refused = await wording.outcome(away.submit(porting))
    stage.check("MNP_IN in Henan for a Guangdong number", "FAILED_PRECONDITION BUSINESS_NOT_OFFERED", refused.seen)
    stage.told("the customer reads", refused.told)
    debtor = world.people.debtor.product.number
    order = await away.submit(away.request("suspend-1", "SUSPEND", debtor, {"reason": "abroad"}))
    world.orders.append(order.id)
    stage.check("SUSPEND with unpaid bills", "rejected, IN_ARREARS", f"{wording.state(order)}, {_reason(order)}")
    stage.told("the customer reads", wording.for_customer(order))
    await _hold(world)


async def _hold(world: World) -> None:
    stage, away = world.stage, world.counters["henan"]
    order = await away.submit(away.request("suspend-2", "SUSPEND", _ABSENT_NUMBER, {"reason": "abroad"}))
    world.orders.append(order.id)
    stage.check(
        f"SUSPEND for a number of {world.name(_ABSENT)}",
        "held, REGION_NOT_JOINED, federation: join",
        f"{wording.state(order)}, {_reason(order)}, {wording.turn(order)}",
    )
    stage.told("the customer reads", wording.for_customer(order))
    held = [f"{each.id} {reason_name(each.reason)}" for each in await world.administrator.held()]
    stage.check("the coordinator sees it", f"{order.id} REGION_NOT_JOINED", ", ".join(held))
    await coordinator_command(world, "orders", "held")


def _reason(order: Order) -> str:
    return reason_name(order.error.reason) if order.error.reason != Reason.REASON_UNSPECIFIED else "no reason"
