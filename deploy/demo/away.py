"""Far from home: a customer of Sichuan gets everyday business done in Guangdong, and another leaves for good."""

from datetime import datetime

from deploy.demo import wording
from deploy.demo.cast import Reviewer
from deploy.demo.world import World
from gateway.api.region.v1.customer_service_pb2 import Customer
from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.region.v1.order_service_pb2 import ReviewDecision, SubmitOrderRequest
from gateway.values.money import in_major_units

PAYMENT = 10_000  # minor units
WAITS_FOR_REVIEW = "sichuan/counter/terminate-2"  # the order that is left for a colleague
_LEAVING = ("ID_ORIG", "FACE", "SIM", "REFUND_ACC")  # the catalogue's documents for TERMINATE


async def everyday_business(world: World) -> None:
    """Suspend, resume, bill, pay, change plan: at a counter far from home."""
    who, stage = world.people.traveller, world.stage
    stage.chapter(
        f"{who.name} of {world.name('sichuan')} stands at a counter in {world.name('guangdong')}",
        "Guangdong checks the papers, Sichuan decides and keeps the customer. The clerk calls Guangdong's node as for a"
        " customer of its own; nobody sends the customer home.",
    )
    await _suspend_and_resume(world, who)
    await _pay_the_bill(world, who)
    await _change_plan(world, who)


async def _suspend_and_resume(world: World, who: Customer) -> None:
    number = who.product.number
    for request_id, business, reason, after in (
        ("suspend-1", "SUSPEND", "abroad for three months", "suspended"),
        ("resume-1", "RESUME", "back earlier", "active"),
    ):
        order = await _submit(world, request_id, business, number, {"reason": reason})
        world.stage.check(business, "completed", wording.state(order), wording.took(order))
        line = (await world.home.customer(number)).product
        world.stage.check(f"{business}: the line at home", after, wording.status(line.status))
        world.stage.told("the customer reads", wording.for_customer(order))
    world.stage.say("Emergency calls (110, 119, 120, 122) stay possible on a suspended line.")


async def _pay_the_bill(world: World, who: Customer) -> None:
    number, stage = who.product.number, world.stage
    month = f"{datetime.now(wording.ZONE):%Y-%m}"
    bill = await world.here.bill(number, month)
    before = (await world.home.customer(number)).billing_account.balance
    stage.check(
        "QRY_BILL: the balance",
        wording.amount(before),
        wording.amount(bill.closing_balance),
        f"{bill.month}, from {bill.region} just now",
    )
    order = await _submit(world, "pay-1", "PAY", number, {"amount": str(PAYMENT)}, papers=())
    stage.check("PAY", "completed", wording.state(order), wording.took(order))
    after = (await world.home.customer(number)).billing_account.balance
    paid = in_major_units(PAYMENT, after.currency)
    stage.check(
        "PAY: credited at home",
        paid,
        in_major_units(after.minor_units - before.minor_units, after.currency),
        f"balance {wording.amount(before)} → {wording.amount(after)}",
    )
    owed = (await world.here.settlement_with("sichuan")).payable
    due = (await world.home.settlement_with("guangdong")).receivable
    stage.check(
        "PAY: owed here, expected at home",
        f"{paid}, {paid}",
        f"{wording.amount(owed)}, {wording.amount(due)}",
        "the books of both regions agree",
    )


async def _change_plan(world: World, who: Customer) -> None:
    stage, number = world.stage, who.product.number
    plans = {plan.id: plan for plan in await world.here.plans_of("sichuan")}
    wanted = plans["sichuan-99"]
    order = await _submit(world, "plan-1", "PLAN_CHANGE", number, {"plan": wanted.id})
    stage.check("PLAN_CHANGE: shown first", "pending, customer: confirm", _state(order))
    stage.told("the customer is asked", order.quote.description)
    order = await world.here.confirm("plan-1-confirm", order.id)
    stage.check("PLAN_CHANGE: confirmed", "inProgress, home region: next-cycle", _state(order))
    stage.say(
        f"It stays inProgress until {wording.time(order.awaiting.due_time)}: Sichuan's node changes"
        f" the plan by itself when"
        " the next billing cycle begins. Until then it can be cancelled."
    )
    line = (await world.home.customer(number)).product
    stage.check("PLAN_CHANGE: the plan until then", who.product.plan_id, line.plan_id)


async def leaving_for_good(world: World) -> None:
    """A termination: identity checked here, papers reviewed there, one return, settlement shown, confirmed."""
    who, stage = world.people.mover, world.stage
    stage.chapter(
        f"{who.name} leaves for good: reviewed at home, with one return",
        "A termination cannot be undone. Sichuan's staff review it on Sichuan's node with certificates of their own;"
        " what is missing is added under the same order. Papers that another region attests are not enough: Sichuan"
        " tells the customer, who calls. Then the customer confirms the settlement.",
    )
    order = await _submit(
        world, "terminate-1", "TERMINATE", who.product.number, {"refund_account": "account ending in 4321"}, _LEAVING
    )
    stage.check("TERMINATE: to be reviewed", "inProgress, home region's staff: review", _state(order))
    reviewer = world.reviewers["zhao.min"]
    await _return_and_supplement(world, reviewer, order.id)
    await reviewer.review("approve-1", order.id, ReviewDecision.REVIEW_DECISION_APPROVE)
    order = await world.here.until(order.id, lambda seen: seen.awaiting.action == "verify")
    stage.check(f"{reviewer.name} approves the papers", "pending, customer: verify", _state(order))
    await reviewer.review("approve-2", order.id, ReviewDecision.REVIEW_DECISION_APPROVE)
    order = await world.here.until(order.id, lambda seen: seen.awaiting.action == "confirm")
    stage.check(f"the customer calls, and {reviewer.name} approves", "pending, customer: confirm", _state(order))
    stage.told("the customer is asked", order.quote.description)
    order = await world.here.confirm("terminate-1-confirm", order.id)
    stage.check("TERMINATE: confirmed", "completed", wording.state(order), wording.took(order))
    left = await world.home.customer(who.product.number)
    stage.check(
        "TERMINATE: line and account at home",
        "terminated, 0.00 CNY",
        f"{wording.status(left.product.status)}, {wording.amount(left.billing_account.balance)}",
        f"{wording.amount(order.quote.amount)} paid out",
    )


async def _return_and_supplement(world: World, reviewer: Reviewer, order_id: str) -> None:
    stage = world.stage
    note = "请补交入网合同 / please add the contract"
    await reviewer.review("return-1", order_id, ReviewDecision.REVIEW_DECISION_RETURN, papers=["CONTRACT"], note=note)
    order = await world.here.until(order_id, lambda seen: seen.awaiting.action == "supplement")
    stage.check(
        f"{reviewer.name} returns it for",
        "CONTRACT, origin region: supplement",
        f"{', '.join(order.documents_requested)}, {wording.turn(order)}",
        f"by {wording.time(order.awaiting.due_time)}",
    )
    stage.told("the customer reads", wording.for_customer(order))
    order = await world.here.supplement("terminate-1-contract", order_id, ["CONTRACT"], "合同已核验")
    stage.check(
        "the same order, supplemented", f"{order_id}, home region's staff: review", f"{order.id}, {wording.turn(order)}"
    )


async def four_eyes(world: World) -> None:
    """The submitter of an order may not review it, also at home."""
    stage, who = world.stage, world.people.local
    stage.chapter(
        "Four eyes",
        f"{who.name} is at home in Sichuan: the same calls, and no border to cross. The clerk who took the order in is"
        " on the review staff too, and may not approve her own work.",
    )
    request = world.home.request(
        "terminate-2",
        "TERMINATE",
        who.product.number,
        {"refund_account": "account ending in 8765"},
        papers=_LEAVING,
        clerk="li.na",
    )
    async with world.acting("li.na") as counter:
        order = await counter.submit(request)
        lent = OrderRequest()
        lent.CopyFrom(request.order)
        lent.requester.staff_id = "zhao.min"
        refused = await wording.outcome(counter.submit(SubmitOrderRequest(request_id="terminate-3", order=lent)))
    world.orders.append(order.id)
    stage.check("a local TERMINATE, taken in by li.na", "inProgress, home region's staff: review", _state(order))
    stage.check("by her statement, in a colleague's name", "PERMISSION_DENIED STAFF_DIFFERS", refused.seen)
    approve = ReviewDecision.REVIEW_DECISION_APPROVE
    refused = await wording.outcome(world.reviewers["li.na"].review("approve-own", order.id, approve))
    stage.check("li.na reviews it", "PERMISSION_DENIED REVIEWER_IS_SUBMITTER", refused.seen)
    stage.told("she reads", refused.told)
    order = await world.home.order(order.id)
    stage.check("it waits for a colleague", "inProgress, home region's staff: review", _state(order))


def _state(order: Order) -> str:
    return f"{wording.state(order)}, {wording.turn(order)}"


async def _submit(
    world: World,
    request_id: str,
    business: str,
    number: str,
    characteristics: dict[str, str],
    papers: tuple[str, ...] = ("ID_ORIG",),
) -> Order:
    order = await world.here.submit(world.here.request(request_id, business, number, characteristics, papers=papers))
    world.orders.append(order.id)
    return order
