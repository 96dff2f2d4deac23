"""Orders that wait while the catalogue or the calendar changes under them: nothing is skipped, nothing is stuck."""

import hashlib
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.configuration_pb2 import Business, Configuration, PrefixRange, Step
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.order_service_pb2 import ReviewDecision
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.time.clock import from_timestamp
from tests.federation.counter import Counter, Reviewer
from tests.federation.databases import Databases
from tests.federation.refusals import refusal
from tests.federation.running import NO_PREFIX, Federation, running, until

CANCELLED = OrderState.ORDER_STATE_CANCELLED
COMPLETED = OrderState.ORDER_STATE_COMPLETED
FAILED = OrderState.ORDER_STATE_FAILED
HELD = OrderState.ORDER_STATE_HELD
PENDING = OrderState.ORDER_STATE_PENDING
REJECTED = OrderState.ORDER_STATE_REJECTED
SHANGHAI = ZoneInfo("Asia/Shanghai")


def business(configuration: Configuration, code: str) -> Business:
    return next(each for each in configuration.businesses if each.code == code)


async def put_in_force(federation: Federation, configuration: Configuration) -> None:
    revision = await federation.apply(configuration)

    async def in_force() -> bool:
        members = await federation.members()
        return all(members[name].federation_revision == revision for name in federation.nodes)

    await until(in_force, "all nodes work by the new catalogue")


async def until_final(counter: Counter, order_id: str) -> Order:
    async def is_final() -> bool:
        return not (await counter.get(order_id)).HasField("awaiting")

    await until(is_final, f"{order_id} is final")
    return await counter.get(order_id)


async def test_a_review_is_not_skipped_when_the_catalogue_drops_it_for_later_orders(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        order = await guangdong.order("TERMINATE", await sichuan.new_customer())
        configuration = await federation.configuration()
        business(configuration, "TERMINATE").steps[:] = [Step.STEP_FULFIL]
        await put_in_force(federation, configuration)
        assert (await guangdong.get(order.id)).awaiting.action == "review"
        await Reviewer(federation, "sichuan").approve(order.id)
        await guangdong.awaits(order.id, "confirm")
        assert (await guangdong.confirm(order.id)).state == COMPLETED


async def test_an_order_whose_business_is_gone_fails_at_its_time_or_is_cancelled_before(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        start = (federation.clock.now() + timedelta(hours=1)).isoformat()
        orders = [
            await guangdong.order("SUSPEND", await sichuan.new_customer(), start=start),
            await guangdong.order("SUSPEND", await sichuan.new_customer(), start=start),
        ]
        configuration = await federation.configuration()
        configuration.businesses.remove(business(configuration, "SUSPEND"))
        await put_in_force(federation, configuration)
        assert (await guangdong.cancel(orders[0].id)).state == CANCELLED
        await federation.advance(timedelta(hours=1))
        failed = await until_final(guangdong, orders[1].id)
        assert (failed.state, failed.error.reason) == (FAILED, Reason.REASON_BUSINESS_UNKNOWN)


async def test_a_business_without_a_rule_is_rejected_by_the_home_region(databases: Databases, tmp_path: Path) -> None:
    async with running(tmp_path, databases) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        configuration = await federation.configuration()
        fresh = Business()
        fresh.CopyFrom(business(configuration, "SUSPEND"))
        fresh.code = "MOON_ROAMING"
        configuration.businesses.append(fresh)
        await put_in_force(federation, configuration)
        number = await sichuan.new_customer()
        request = guangdong.request("SUSPEND", number)
        request.business = fresh.code
        order = await guangdong.submit(request)
        assert (order.state, order.error.reason) == (REJECTED, Reason.REASON_BUSINESS_UNSUPPORTED)
        assert (await guangdong.order("SUSPEND", number)).state == COMPLETED, "nothing blocks the lane"


async def test_a_payment_that_is_held_too_long_is_cancelled_and_the_money_returned(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases) as federation:
        guangdong = Counter(federation, "guangdong")
        order = await guangdong.order("PAY", federation.next_number(""))
        assert (order.state, order.awaiting.action) == (HELD, "extend the number plan")
        await federation.advance(from_timestamp(order.awaiting.due_time) - federation.clock.now())
        cancelled = await until_final(guangdong, order.id)
        assert (cancelled.state, cancelled.error.reason) == (CANCELLED, Reason.REASON_ORDER_EXPIRED)
        in_transit = "SELECT COALESCE(SUM(amount), 0) FROM ledger_entries WHERE account = 'payments-in-transit'"
        assert federation.database("guangdong").rows(in_transit) == [(0,)]
        about = "SELECT timer_id FROM timers WHERE subject = ?"
        assert federation.database("guangdong").rows(about, order.id) == []


async def test_a_plan_confirmed_after_the_cycle_it_was_shown_for_is_shown_again(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        order = await guangdong.order("PLAN_CHANGE", await sichuan.new_customer(), plan="sichuan-99")
        begins = from_timestamp(order.quote.effective_time)
        # The last evening of the cycle, then the first morning of the next.
        late = datetime.combine((begins.astimezone(SHANGHAI) - timedelta(days=1)).date(), datetime.min.time(), SHANGHAI)
        await federation.advance(late - federation.clock.now())
        again = await guangdong.order("PLAN_CHANGE", await sichuan.new_customer(), plan="sichuan-99")
        assert from_timestamp(again.quote.effective_time) == begins
        await federation.advance(begins + timedelta(hours=2) - federation.clock.now())
        shown = await guangdong.confirm(again.id)
        assert (shown.state, shown.awaiting.action) == (PENDING, "confirm")
        assert from_timestamp(shown.quote.effective_time) > begins
        assert (await guangdong.confirm(again.id)).awaiting.action == "next-cycle"


async def test_a_command_on_an_order_that_its_business_has_left_is_refused_with_the_reason(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        order = await guangdong.order("PLAN_CHANGE", await sichuan.new_customer(), plan="sichuan-99")
        configuration = await federation.configuration()
        configuration.businesses.remove(business(configuration, "PLAN_CHANGE"))
        await put_in_force(federation, configuration)
        assert (await refusal(guangdong.confirm(order.id))).reason == "BUSINESS_UNKNOWN"
        assert (await guangdong.cancel(order.id)).state == CANCELLED


async def test_a_held_order_whose_business_is_gone_keeps_no_other_one_waiting(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number = federation.next_number("")
        await sichuan.create(sichuan.customer(number, balance=0))
        stays = await guangdong.order("SUSPEND", number)
        goes_on = await guangdong.order("PAY", number)
        assert (stays.state, goes_on.state) == (HELD, HELD)
        configuration = await federation.configuration()
        configuration.businesses.remove(business(configuration, "SUSPEND"))
        configuration.number_plan.prefixes.append(PrefixRange(region="sichuan", prefixes=[NO_PREFIX]))
        await put_in_force(federation, configuration)
        await guangdong.reaches(goes_on.id, COMPLETED)
        assert (await guangdong.get(stays.id)).state == HELD
        await federation.advance(from_timestamp(stays.awaiting.due_time) - federation.clock.now())
        assert (await until_final(guangdong, stays.id)).state == CANCELLED


async def test_what_was_done_is_taken_over_also_when_its_business_is_gone(databases: Databases, tmp_path: Path) -> None:
    async with running(tmp_path, databases) as federation:
        guangdong = Counter(federation, "guangdong")
        opened = [await new_line(guangdong), await new_line(guangdong)]
        assert [order.awaiting.action for order in opened] == ["accept", "accept"]
        configuration = await federation.configuration()
        configuration.businesses.remove(business(configuration, "NEW_LINE"))
        await put_in_force(federation, configuration)
        assert (await guangdong.confirm(opened[0].id)).state == COMPLETED
        await federation.advance(from_timestamp(opened[1].awaiting.due_time) - federation.clock.now())
        assert (await until_final(guangdong, opened[1].id)).state == COMPLETED


async def test_documents_for_an_order_that_the_catalogue_does_not_fit_any_more_are_refused_with_the_reason(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number, papers = await sichuan.new_customer(), ("ID_ORIG", "FACE")
        order = await guangdong.submit(guangdong.request("PROFILE_UPD", number, papers=papers, email="f@example.com"))
        returned = ReviewDecision.REVIEW_DECISION_RETURN
        await Reviewer(federation, "sichuan").decide(order.id, returned, documents=["FACE"], note="blurred")
        await guangdong.reaches(order.id, PENDING)
        configuration = await federation.configuration()
        characteristics = business(configuration, "PROFILE_UPD").characteristics
        characteristics.remove(next(each for each in characteristics if each.name == "email"))
        await put_in_force(federation, configuration)
        assert (await refusal(guangdong.supplement(order.id, "FACE"))).reason == "CHARACTERISTIC_INVALID"
        assert (await guangdong.cancel(order.id)).state == CANCELLED


async def new_line(counter: Counter) -> Order:
    """A line that is open in Sichuan, and not taken over yet."""
    told = {"region": "sichuan", "plan": "sichuan-29", "name": "赵敏", "need": "studies there"}
    request = counter.request("NEW_LINE", "", papers=("ID_ORIG", "FACE"), **told)
    for document in request.documents:
        document.keyed_hash = hashlib.sha256(counter.federation.next_id().encode()).digest()
    return await counter.confirm((await counter.submit(request)).id)
