"""What an operator system has open takes room: it is counted from indexes, and bounded for each; on both engines."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import WatchResponse
from gateway.api.region.v1.joint_order_pb2 import JointOrder, JointOrderState
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, to_status
from gateway.federation.catalogue import Federation
from gateway.federation.current import CurrentFederation
from gateway.federation.policies import OPEN_WORK
from gateway.maintenance.doctor.findings import State
from gateway.relay.border import Border
from gateway.store.opening import DatabasePlace
from gateway.store.port import Operation, Store, Transaction
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore, SqliteTransaction
from gateway.time.clock import to_timestamp
from region_node.app.registered import OPEN
from region_node.business.joint.rows import ORDER_RECORDS as JOINT_RECORDS
from region_node.business.joint.rows import JointOrderRow, insert_joint_order, update_joint_order
from region_node.business.orders import rules
from region_node.business.orders.rows import PROMISES, OrderRow, find_order, insert_order, update_order
from region_node.cli.node.open_work_checks import check_open_work
from region_node.node.context import RegionContext
from region_node.node.membership.last_good import LastGood
from region_node.node.open_work import OpenWork, Place
from region_node.node.operator_work import RECORD
from region_node.node.settings import RegionSettings
from region_node.requests.open_work import OpenWorkWatch
from region_node.schema import PACKAGES
from tests.contract.stores import Adapter, run
from tests.keys import region_keys
from tests.shipped import shipped_configuration
from tests.simulation.world import keys

NOW = datetime(2030, 6, 15, 4, tzinfo=UTC)
PAGES = 3  # rows of a page here
INDEXES = {
    ("orders", "due_time"): "orders_due",
    ("orders", "create_time"): "orders_overdue",
    ("joint_orders", "create_time"): "joint_orders_open",
    ("complaints", "create_time"): "complaints_open",
    ("faults", "due_time"): "faults_due",
}


@pytest.fixture(autouse=True)
def _without_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits for as long as a slow machine takes."""
    monkeypatch.setattr("region_node.requests.open_work.LONGEST_REST", 0)
    monkeypatch.setattr("region_node.requests.open_work.LOOK", 0.01)


def bounded(most: int) -> Configuration:
    """A federation whose operator systems may have so much open."""
    configuration = shipped_configuration()
    (policy,) = (each for each in configuration.policies if each.name == OPEN_WORK)
    policy.figure.value = most
    return configuration


def context(most: int) -> RegionContext:
    """Sichuan in such a federation."""
    current, shared = CurrentFederation(), keys()
    current.update(Federation(1, bounded(most)), [])
    return RegionContext(Border("sichuan", shared.signers["sichuan"], shared.trusted, current))


def taken_in(
    tx: Transaction, operator: str, number: int, origin: str = "sichuan", *, is_open: bool = True, note: str = ""
) -> str:
    """An order; its id."""
    order = Order(id=f"{origin}/{operator}/{number}", origin_region=origin, operator=operator, version=1)
    order.request.number, order.request.characteristics["note"] = "+8619851000001", note
    order.state = rules.ACKNOWLEDGED if is_open else rules.REJECTED
    order.create_time.CopyFrom(to_timestamp(NOW))
    promised = NOW + timedelta(hours=number % 2) if is_open and origin == "sichuan" else None
    insert_order(tx, OrderRow(order, ""), NOW, promised=promised)
    return order.id


def ends(tx: Transaction, order_id: str) -> None:
    """An order is done."""
    row = find_order(tx, order_id)
    assert row is not None
    row.order.state = rules.REJECTED
    update_order(tx, row.order, NOW)


def many(tx: Transaction) -> None:
    """Five open orders of the counter, four of the kiosk, and what is nobody's open work here."""
    for number in range(5):
        taken_in(tx, "counter", number)
        taken_in(tx, "counter", 100 + number, is_open=False)
        taken_in(tx, "counter", number, origin="henan")
    for number in range(4):
        taken_in(tx, "kiosk", number)


def test_each_operator_system_has_its_share_and_gets_it_back_as_its_work_is_done(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("region_node.node.open_work.PAGE", PAGES)

    async def scenario() -> None:
        node = context(most=4)
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            watch = OpenWorkWatch(node, store, OPEN)
            await store.write(many)
            node.open_work.require_share("counter")  # nothing is counted yet
            await watch.look()
            assert node.open_work.by_operator == {"counter": 5, "kiosk": 4}
            node.open_work.require_share("kiosk")
            with pytest.raises(Refused) as refused:
                node.open_work.require_share("counter")
            assert refused.value.reason == Reason.REASON_OPEN_WORK_TOO_MUCH
            assert refused.value.parameters == {"operator": "counter", "open": "5", "most": "4"}
            assert len(to_status(refused.value).details) == 4, "with RetryInfo"
            await store.write(lambda tx: ends(tx, "sichuan/counter/0"))
            await watch.look()
            node.open_work.require_share("counter")

    run(scenario())


def test_orders_past_their_promised_date_and_joint_orders_count_and_large_records_count_as_several(
    adapter: Adapter,
) -> None:
    def fill(tx: Transaction) -> None:
        taken_in(tx, "counter", 0)
        taken_in(tx, "kiosk", 0, note="x" * 3 * RECORD)
        for leader in ("sichuan", "henan"):
            order = JointOrder(id=f"{leader}/J20300615-1", leader_region=leader, operator="handler")
            order.create_time.CopyFrom(to_timestamp(NOW))
            insert_joint_order(tx, JointOrderRow(order, ""), 1, NOW)

    def passes(tx: Transaction) -> None:
        for timer in PROMISES.due(tx, NOW, 10):
            assert PROMISES.take(tx, timer) == 1

    def end(tx: Transaction) -> None:
        ends(tx, "sichuan/counter/0")
        order = JOINT_RECORDS.require(tx, "sichuan/J20300615-1").order
        order.state = JointOrderState.JOINT_ORDER_STATE_CANCELLED
        update_joint_order(tx, order, NOW)

    async def scenario() -> None:
        node = context(most=4)
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            watch = OpenWorkWatch(node, store, OPEN)
            await store.write(fill)
            for change in (lambda tx: None, passes):
                await store.write(change)
                await watch.look()
                assert node.open_work.by_operator == {"counter": 1, "kiosk": 4, "handler": 1}
            await store.write(end)
            await watch.look()
            assert node.open_work.by_operator == {"kiosk": 4}

    run(scenario())


class Failing:
    """A store that does not respond to its second and fourth read; `places` are those behind which it was read."""

    def __init__(self, store: Store, work: OpenWork) -> None:
        self._store = store
        self._work = work
        self._reads = 0
        self.places: list[Place] = []
        self.known: list[dict[str, int]] = []

    async def read(self, operation: Operation[object]) -> object:
        self._reads += 1
        self.known.append(dict(self._work.by_operator))
        if self._reads in (2, 4):
            raise Refused(Reason.REASON_STORE_UNAVAILABLE)
        self.places.append(cast("partial[object]", operation).keywords["after"])
        return await self._store.read(operation)


def test_a_count_goes_on_where_the_store_did_not_respond_and_the_first_one_holds_meanwhile(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("region_node.node.open_work.PAGE", PAGES)

    async def scenario() -> None:
        node = context(most=4)
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            failing = Failing(store, node.open_work)
            watch = OpenWorkWatch(node, cast("Store", failing), OPEN)
            await store.write(many)
            await watch.look()
            assert node.open_work.by_operator == {"counter": 5, "kiosk": 4}
            read = [each for each in failing.places if each != Place()]
            assert len(read) == len(set(read)), "no page is read twice"
            assert any(sum(each.values()) in range(1, 9) for each in failing.known), "as far as it has come"
            failing.known.clear()
            await watch.look()
            assert failing.known == [{"counter": 5, "kiosk": 4}] * len(failing.known), "later ones hold at their end"

    run(scenario())


def test_a_count_ends_while_orders_come_all_the_time(adapter: Adapter) -> None:
    async def scenario() -> None:
        node = context(most=4)
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            reads = 0
            await store.write(lambda tx: taken_in(tx, "counter", 1001))

            async def read(operation: Operation[object]) -> object:
                nonlocal reads
                reads += 1
                assert reads < 20, "the count has no end"
                found = await store.read(operation)
                await store.write(lambda tx: taken_in(tx, "counter", 1001 + 2 * reads))
                return found

            await OpenWorkWatch(node, cast("Store", SimpleNamespace(read=read)), OPEN).look()
            assert reads == len(OPEN)

    run(scenario())


def test_the_loop_counts_again_and_again_and_begins_with_the_first_configuration(adapter: Adapter) -> None:
    async def scenario() -> None:
        shared = keys()
        current = CurrentFederation()
        node = RegionContext(Border("sichuan", shared.signers["sichuan"], shared.trusted, current))
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            await store.write(many)
            loop = asyncio.create_task(OpenWorkWatch(node, store, OPEN).run())
            await asyncio.sleep(0)
            assert node.open_work.most is None
            current.update(Federation(1, bounded(most=4)), [])
            async with asyncio.timeout(60):
                while sum(node.open_work.by_operator.values()) < 9:  # noqa: ASYNC110 - the loop alone makes it so
                    await asyncio.sleep(0)
            loop.cancel()
            await asyncio.wait([loop])
            assert node.open_work.most == 4

    run(scenario())


def test_a_federation_without_the_policy_has_no_bound() -> None:
    work = OpenWork()
    work.by_operator = {"counter": 10**9}
    work.require_share("counter")


def test_no_count_reads_a_table_from_end_to_end(adapter: Adapter) -> None:
    def plan(tx: Transaction, sql: str) -> str:
        if isinstance(tx, SqliteTransaction):
            return str(tx.all(lambda *row: row[3], f"EXPLAIN QUERY PLAN {sql}", time=0, name=""))
        tx.execute("SET LOCAL enable_seqscan = off")
        tx.execute("SET LOCAL enable_sort = off")
        return str(tx.all(str, f"EXPLAIN {sql}", time=0, name=""))

    async def scenario() -> None:
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            for each in OPEN:
                where = f"{each.condition} AND ({each.dated}, {each.key}) > (:time, :name)"
                sql = (
                    f"SELECT {each.dated}, {each.key}, origin_region, operator, LENGTH(body) FROM {each.table}"
                    f" WHERE {where}"
                    f" ORDER BY {each.dated}, {each.key} LIMIT 100"
                )
                found = await store.write(lambda tx, sql=sql: plan(tx, sql))  # type: ignore[misc]
                assert INDEXES[each.table, each.dated] in found, found
                assert "TEMP B-TREE" not in found
                assert await store.read(lambda tx, each=each: each.page(tx, Place())) == []  # type: ignore[misc]

    run(scenario())


def test_the_doctor_warns_of_an_operator_system_near_its_bound(tmp_path: Path) -> None:
    file = tmp_path / "node.db"

    async def fill() -> None:
        store = SqliteStore(file, migrations_of(*PACKAGES), region_keys())
        await store.write(many)
        await store.close()

    asyncio.run(fill())
    settings = cast("RegionSettings", SimpleNamespace(region="sichuan", data=tmp_path, database=DatabasePlace(file)))
    assert check_open_work(settings) == [], "without a configuration there is no bound"
    for most, warned in ((6, ["counter"]), (4, ["counter", "kiosk"]), (100, [])):
        LastGood(tmp_path).save(WatchResponse(federation_revision=1, configuration=bounded(most)))
        found = check_open_work(settings)
        assert [each.name.rpartition(" ")[2] for each in found] == warned
        assert all(each.state == State.WARNING for each in found)
