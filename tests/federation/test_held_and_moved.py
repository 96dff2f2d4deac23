"""Orders whose way home changes: held until a region joins or a plan names it, or moved after they were sealed."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.api.federation.v1.configuration_pb2 import NumberException, PrefixRange
from gateway.api.federation.v1.federation_pb2 import WatchResponse
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.relay.v1.relay_pb2 import Outcome, ReceiptContent
from region_node.node.membership.last_good import LastGood
from tests import at_rest
from tests.federation.counter import Counter
from tests.federation.databases import Databases
from tests.federation.forger import SUBMIT
from tests.federation.running import NO_PREFIX, NOT_JOINED, Federation, running, until, until_a_lane_stops

COMPLETED = OrderState.ORDER_STATE_COMPLETED
HELD = OrderState.ORDER_STATE_HELD
ACKNOWLEDGED = OrderState.ORDER_STATE_ACKNOWLEDGED


async def give_prefix(federation: Federation, region: str) -> None:
    """A new configuration says that the numbers without a region belong to one."""
    configuration = await federation.configuration()
    configuration.number_plan.prefixes.append(PrefixRange(region=region, prefixes=[NO_PREFIX]))
    await federation.apply(configuration)


async def move(federation: Federation, number: str, region: str) -> None:
    """A new configuration says that a number belongs to another region."""
    configuration = await federation.configuration()
    configuration.number_plan.exceptions.append(NumberException(number=number, region=region))
    revision = await federation.apply(configuration)

    async def in_force() -> bool:
        members = await federation.members()
        return all(members[name].federation_revision == revision for name in federation.nodes)

    await until(in_force, "all nodes work by the new plan")


def effects(federation: Federation, order: Order) -> dict[str, int]:
    """How often each region credited the customer for an order."""
    sql = "SELECT COUNT(*) FROM ledger_entries WHERE posting_id = ? AND amount > 0"
    counts = {region: federation.database(region).rows(sql, f"{order.id}#credit")[0][0] for region in federation.nodes}
    return {region: int(count) for region, count in counts.items() if count}


async def test_a_held_order_goes_on_when_its_region_joins(databases: Databases, tmp_path: Path) -> None:
    async with running(tmp_path / "before", databases, [NOT_JOINED], keeps_databases=True) as before:
        hunan = Counter(before, NOT_JOINED)
        number = await hunan.new_customer(balance=0)
    async with running(tmp_path / "after", databases, ["guangdong"]) as federation:
        # Hunan comes with the customers that it had all along.
        federation.take_database(NOT_JOINED, before)
        guangdong = Counter(federation, "guangdong")
        order = await guangdong.order("PAY", number)
        assert order.state == HELD
        await federation.start_node(NOT_JOINED)
        done = await guangdong.reaches(order.id, COMPLETED)
        assert [change.state for change in done.state_changes][:3] == [ACKNOWLEDGED, HELD, ACKNOWLEDGED]
        assert effects(federation, order) == {NOT_JOINED: 1}


async def test_a_held_order_goes_on_when_the_number_plan_names_its_region(databases: Databases, tmp_path: Path) -> None:
    async with running(tmp_path, databases) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number = federation.next_number("")
        await sichuan.create(sichuan.customer(number, balance=0))
        order = await guangdong.order("PAY", number)
        assert (order.state, order.home_region) == (HELD, "")
        await give_prefix(federation, "sichuan")
        done = await guangdong.reaches(order.id, COMPLETED)
        assert (done.home_region, done.HasField("error")) == ("sichuan", False)
        assert effects(federation, order) == {"sichuan": 1}


async def test_a_held_order_may_turn_out_to_be_about_a_customer_of_ones_own(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases, ["guangdong"]) as federation:
        guangdong = Counter(federation, "guangdong")
        number = federation.next_number("")
        await guangdong.create(guangdong.customer(number, balance=0))
        order = await guangdong.order("PAY", number)
        assert order.state == HELD
        await give_prefix(federation, "guangdong")
        await guangdong.reaches(order.id, COMPLETED)
        assert await guangdong.balance(number) == 5000
        rows = federation.database("guangdong").rows(
            "SELECT account, SUM(amount) FROM ledger_entries GROUP BY account HAVING SUM(amount) <> 0"
        )
        assert {account for account, _ in rows} == {"cash", f"account-{number.removeprefix('+')}"}


async def test_an_order_sealed_by_an_old_plan_is_done_once_where_the_customer_is_now(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases) as federation:
        guangdong, henan = Counter(federation, "guangdong"), Counter(federation, "henan")
        number = federation.next_number("sichuan")
        await henan.create(henan.customer(number, balance=0))
        await federation.stop_node("sichuan")
        order = await guangdong.submit(guangdong.request("PAY", number), wait=0)
        assert order.home_region == "sichuan"
        await move(federation, number, "henan")
        await federation.start_node("sichuan")
        done = await guangdong.reaches(order.id, COMPLETED)
        assert done.home_region == "henan"
        assert effects(federation, order) == {"henan": 1}
        assert await henan.balance(number) == 5000
        sent = federation.database("guangdong").rows(
            "SELECT destination FROM outbox WHERE subject = ? AND kind = ? ORDER BY created", order.id, SUBMIT
        )
        assert sent == [("sichuan",), ("henan",)]
        with federation.database("sichuan").look() as tx:
            (row,) = at_rest.received(tx)
        tombstone = ReceiptContent.FromString(row.receipt_content or b"")
        assert (tombstone.outcome, tombstone.moved_to) == (Outcome.OUTCOME_MOVED, "henan")
        owed = federation.database("guangdong").rows(
            "SELECT account, SUM(amount) FROM ledger_entries GROUP BY account HAVING SUM(amount) <> 0 ORDER BY 1"
        )
        assert owed == [("cash", -5000), ("payable/henan", 5000)]


async def test_a_node_that_starts_again_does_not_decide_by_the_plan_of_yesterday(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, databases) as federation:
        guangdong, henan = Counter(federation, "guangdong"), Counter(federation, "henan")
        number = federation.next_number("sichuan")
        await henan.create(henan.customer(number, balance=0))
        await federation.stop_node("sichuan")
        order = await guangdong.submit(guangdong.request("PAY", number), wait=0)
        await move(federation, number, "henan")
        monkeypatch.setattr(LastGood, "save", slow(LastGood.save))
        await federation.start_node("sichuan")
        await guangdong.reaches(order.id, COMPLETED)
        assert effects(federation, order) == {"henan": 1}


def slow(save: Callable[[LastGood, WatchResponse], None]) -> Callable[[LastGood, WatchResponse], None]:
    """A disk that takes its time, so that the new plan is in force later than an order could arrive."""

    def take_time(last_good: LastGood, state: WatchResponse) -> None:
        time.sleep(1.0)
        save(last_good, state)

    return take_time


async def test_a_cancellation_follows_an_order_that_moved(
    databases: Databases, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, databases) as federation:
        guangdong, henan = Counter(federation, "guangdong"), Counter(federation, "henan")
        number = federation.next_number("sichuan")
        await henan.create(henan.customer(number))
        await federation.stop_node("sichuan")
        order = await guangdong.submit(guangdong.request("TERMINATE", number), wait=0)
        await until_a_lane_stops(caplog)
        cancelling = await guangdong.cancel(order.id, wait=0)
        assert cancelling.state == OrderState.ORDER_STATE_ASSESSING_CANCELLATION
        await move(federation, number, "henan")
        await federation.start_node("sichuan")
        cancelled = await guangdong.reaches(order.id, OrderState.ORDER_STATE_CANCELLED)
        assert cancelled == await henan.get(order.id)
        destinations = federation.database("guangdong").rows(
            "SELECT destination FROM outbox WHERE subject = ? ORDER BY created", order.id
        )
        assert destinations == [("sichuan",), ("sichuan",), ("henan",), ("henan",)]
