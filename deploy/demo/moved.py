"""A customer moves to another region for good: the number stays, the home changes."""

import re

from deploy.demo import wording
from deploy.demo.cast import CLERK
from deploy.demo.commands import staff_command
from deploy.demo.fibre_cut_cast import until
from deploy.demo.records import identity_document, scanned, upload_state
from deploy.demo.world import World
from deploy.local.federation import OPERATOR
from gateway.api.region.v1.customer_service_pb2 import Customer
from gateway.api.region.v1.document_service_pb2 import RegisteredDocument
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.errors import Refused

_OLD, _NEW, _PLAN, _REQUEST = "sichuan", "guangdong", "guangdong-79", "settle-1"
_STAFF = "wu.lan"  # a member of the staff of either region
_SERVICE = "lines-chengdu-zhengzhou"
_AMOUNT = 3_000  # minor units


async def a_new_home(world: World) -> None:
    """The old home hands over once; what is sent to it afterwards arrives at the new one."""
    stage, who = world.stage, world.people.settler
    number = who.product.number
    stage.chapter(
        f"{who.name} moves to Guangdong for good",
        "Record, line, balance, documents and agreements go to the new home in one signed hand-over; the number stays,"
        " by an assignment that the old home signs. At any time exactly one region is the home.",
    )
    for region in (_OLD, _NEW):
        world.federation.issue_staff(region, _STAFF)
    answer = await world.home.put_on_file(identity_document("identity-2", number), scanned())
    stage.check("Sichuan puts the identity card on file", "registered", upload_state(answer.state), answer.document_id)
    promise = ("create", number, "--service", _SERVICE, "--template", "leased-line", "--charge", "200000")
    code = await _agreements(world, _OLD, *promise, "--request-id", "settle-sla")
    stage.check("and makes an agreement", "exit 0", f"exit {code}")
    before = (await world.home.customer(number)).billing_account.balance
    code = await _said(world, "move", number, "--to", _NEW, "--plan", _PLAN, "--request-id", _REQUEST)
    stage.check("the old home sends the customer a code", "exit 0", f"exit {code}")
    said = re.findall(r"\d{6}", world.federation.phones(_OLD).texts(number)[-1].en)[0]
    code = await _said(world, "confirm-move", f"{_OLD}/{OPERATOR}/{_REQUEST}", number, "--code", said)
    stage.check("confirmed with it", "exit 0", f"exit {code}")
    [home] = await until(lambda: _found(world, number), lambda found: len(found) == 1, "the customer at the new home")
    seen = f"{wording.status(home.product.status)}, {home.product.plan_id}"
    after = wording.amount(home.billing_account.balance)
    stage.check("the line at the new home", f"active, {_PLAN}", seen, f"{wording.amount(before)} → {after}")
    [paper] = await until(lambda: _papers(world, number), lambda found: len(found) == 1, "the paper at the new home")
    stage.check("the paper at the new home", "ID_ORIG of sichuan", f"{paper.code} of {paper.region}", paper.document_id)
    code = await _agreements(world, _NEW, "list", "--number", number)
    stage.check("the agreement at the new home", "exit 0", f"exit {code}")
    paid = await _paid_in_henan(world, number)
    stage.check("a payment taken in Henan", "completed, guangdong", paid, "the number plan names the new home")


async def _found(world: World, number: str) -> list[Customer]:
    """The customer as the new home has it; nobody before."""
    try:
        return [await world.here.customer(number)]
    except Refused:
        return []


async def _papers(world: World, number: str) -> list[RegisteredDocument]:
    """The documents on file, once the new home's number plan names it."""
    try:
        return list(await world.here.documents_of(number))
    except Refused:
        return []


async def _paid_in_henan(world: World, number: str) -> str:
    henan = world.counters["henan"]
    order = await henan.submit(henan.request("pay-moved", "PAY", number, {"amount": str(_AMOUNT)}, papers=()))
    done = await henan.until(order.id, lambda seen: seen.state == OrderState.ORDER_STATE_COMPLETED)
    world.orders.append(order.id)
    return f"{wording.state(done)}, {done.home_region}"


async def _agreements(world: World, region: str, *words: str) -> int:
    return await staff_command(world.stage, world.federation, region, f"{region}-{_STAFF}", "agreements", *words)


async def _said(world: World, *words: str) -> int:
    told = ("customers", *words, "--staff-id", CLERK)
    return await staff_command(world.stage, world.federation, _OLD, f"{_OLD}-{OPERATOR}", *told)
