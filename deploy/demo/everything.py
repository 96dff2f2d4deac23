"""All the business that a region does, for customers of Sichuan at a counter in Guangdong: one row each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from rich.text import Text

from deploy.demo import wording
from deploy.demo.world import World
from gateway.api.federation.v1.configuration_pb2 import Mode
from gateway.api.region.v1.billing_service_pb2 import Usage, UsageKind
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.order_service_pb2 import ReviewDecision
from gateway.federation.documents import is_ordered_by_nodes
from gateway.time.clock import to_timestamp
from gateway.values.money import in_major_units

_BEFORE = {"SUSPEND", "RESUME", "QRY_BILL", "PAY", "PLAN_CHANGE", "TERMINATE"}  # shown by the previous chapter
_AFTER = {"MNP_IN"}  # which is refused in the chapter on limits
_LONG_CALL = 36_000  # seconds: more than the plan includes
PASSWORD = "275941"  # noqa: S105 - chosen by a made-up customer
"""The service password that the regular customer chooses."""
_FINAL = frozenset(
    {
        OrderState.ORDER_STATE_COMPLETED,
        OrderState.ORDER_STATE_CANCELLED,
        OrderState.ORDER_STATE_REJECTED,
        OrderState.ORDER_STATE_FAILED,
    }
)


@dataclass(frozen=True)
class Errand:
    """A business as a customer requests it.

    `said` is the customer's verification at the home region, `OTP` or `PWD`.
    """

    business: str
    told: Mapping[str, str] = field(default_factory=dict)
    papers: tuple[str, ...] = ("ID_ORIG",)
    said: tuple[str, ...] = ()


_LINE = {"region": "sichuan", "name": "赵敏"}
_HOUSE = {**_LINE, "plan": "sichuan-broadband-300", "address": "成都市天府大道1号"}
_ERRANDS = (
    Errand("LOSS_REPORT", {"reason": "stolen on the train"}),
    Errand(
        "SIM_REPLACE",
        {"id_kind": "resident-id-card", "iccid": "89860123456789012345"},
        ("ID_ORIG", "FACE", "CALLREC3"),
        ("OTP",),
    ),
    Errand("PWD_RESET", papers=("ID_ORIG", "FACE"), said=("OTP",)),
    Errand("PROFILE_UPD", {"email": "new.address@example.com"}, ("ID_ORIG", "FACE"), ("OTP",)),
    Errand("ROAMING", {"offering": "sichuan-roaming"}, (), ("PWD", "OTP")),
    Errand("VAS_CANCEL", {"offering": "sichuan-ring-tones"}, (), ("OTP",)),
    Errand("RENEW", {"contract": "sichuan-contract-12"}),
    Errand("NEW_LINE", {**_LINE, "plan": "sichuan-29", "need": "studies in Chengdu"}, ("ID_ORIG", "FACE")),
    Errand("BB_INSTALL", _HOUSE, ("ID_ORIG", "ADDR")),
    Errand("BB_INSTALL_RURAL", _HOUSE, ("ID_ORIG", "ADDR")),
)


async def whole_catalogue(world: World) -> None:
    """Every business of the catalogue, with the customer's text."""
    stage, who = world.stage, world.people.regular
    stage.chapter(
        f"{who.name} gets everything done in {world.name('guangdong')}",
        "The rest of the catalogue: some is reviewed in Sichuan, some confirmed by the customer, some carried out by a"
        " system of Sichuan's own. One-time codes and passwords are sent and checked by Sichuan alone.",
    )
    rows: list[list[str | Text]] = []
    await _look_at_profile(world, rows)
    done = {"QRY_PROFILE"}
    for errand in _ERRANDS:
        order = await _through(world, errand)
        stage.check(errand.business, "completed", wording.state(order), wording.took(order))
        rows.append(_row(world, errand, order))
        done.add(errand.business)
        if errand.business == "PWD_RESET":
            await _choose_password(world)
    await _dispute(world, rows)
    done.add("BILL_CORRECTION")
    stage.table(("business", "papers", "by way of", "the customer reads"), rows, lines=True)
    single = [each for each in world.configuration.businesses if each.mode != Mode.MODE_JOINT]
    catalogue = {each.code for each in single if not is_ordered_by_nodes(each)}
    handled = done | _BEFORE | _AFTER
    stage.check("businesses of one home region", str(len(catalogue)), str(len(catalogue & handled)), "in this story")


async def _look_at_profile(world: World, rows: list[list[str | Text]]) -> None:
    number, stage = world.people.regular.product.number, world.stage
    documents = await world.verified("profile-1", number, ("OTP",))
    profile = await world.here.profile("profile-1", number, documents)
    balance = wording.amount(profile.balance)
    at_home = (await world.home.customer(number)).billing_account.balance
    stage.check("QRY_PROFILE", wording.amount(at_home), balance, f"{profile.masked_name}, {profile.product.plan_id}")
    name = _name(world, "QRY_PROFILE")
    rows.append([f"QRY_PROFILE\n{name}", "OTP", "asked", f"{profile.masked_name}: {balance}"])


async def _choose_password(world: World) -> None:
    number = world.people.regular.product.number
    code = await world.code("password-1", number)
    await world.here.choose_password("password-1", number, code, PASSWORD)
    world.stage.say(
        "The customer chose a service password with a code from Sichuan; nobody in Guangdong learns either."
    )


async def _dispute(world: World, rows: list[list[str | Text]]) -> None:
    """A prepaid customer pays for a call that was never made, and gets the money back."""
    who, stage, now = world.people.talkative, world.stage, datetime.now(UTC)
    before = (await world.home.customer(who.product.number)).billing_account.balance.minor_units
    call = Usage(
        id="never-made-1",
        number=who.product.number,
        kind=UsageKind.USAGE_KIND_CALL,
        usage_time=to_timestamp(now),
        quantity=_LONG_CALL,
        other_number="+8619844000000",
    )
    await world.home.record_usage(call)
    charged = before - (await world.home.customer(who.product.number)).billing_account.balance.minor_units
    told = {
        "month": f"{now.astimezone(wording.ZONE):%Y-%m}",
        "charge": "calls",
        "category": "usage-mismatch",
        "amount": str(charged),
        "settlement": "offset",
    }
    errand = Errand("BILL_CORRECTION", told)
    order = await _through(world, errand, who.product.number)
    after = (await world.home.customer(who.product.number)).billing_account.balance
    stage.check(
        "BILL_CORRECTION: the balance again",
        in_major_units(before, after.currency),
        wording.amount(after),
        f"{in_major_units(charged, after.currency)} for a call that was never made",
    )
    rows.append(_row(world, errand, order))


async def _through(world: World, errand: Errand, number: str = "") -> Order:
    """The order of an errand at its end: reviewed, confirmed and accepted as required."""
    here, request_id = world.here, f"{errand.business.lower().replace('_', '-')}-1"
    opens = "region" in errand.told
    number = number or ("" if opens else world.people.regular.product.number)
    proven = await world.verified(request_id, number, errand.said, PASSWORD) if errand.said else []
    request = here.request(request_id, errand.business, number, errand.told, papers=errand.papers, proven=proven)
    order = await here.submit(request)
    world.orders.append(order.id)
    answers = 0
    while order.state not in _FINAL:
        action, version = order.awaiting.action, order.version
        if action == "review":
            await world.reviewers["zhao.min"].review(
                f"{request_id}-review", order.id, ReviewDecision.REVIEW_DECISION_APPROVE
            )
        elif action in ("confirm", "accept"):
            answers += 1
            order = await here.confirm(f"{request_id}-{action}-{answers}", order.id)
            continue
        order = await here.until(order.id, partial(_is_newer, version))
    return order


def _is_newer(version: int, order: Order) -> bool:
    return order.version > version


def _row(world: World, errand: Errand, order: Order) -> list[str | Text]:
    text = wording.for_customer(order)
    way = " ▸ ".join(dict.fromkeys(change.reason for change in order.state_changes if change.reason))
    proofs = ", ".join((*errand.papers, *errand.said))
    return [f"{errand.business}\n{_name(world, errand.business)}", proofs, way, f"{text.zh_cn}\n{text.en}"]


def _name(world: World, code: str) -> str:
    return next(business.name.zh_cn for business in world.configuration.businesses if business.code == code)
