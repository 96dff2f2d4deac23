"""What an operator system does at once, and reads, leaves rows for good: a day has a bound of them; on both engines."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused, to_status
from gateway.federation.catalogue import Federation
from gateway.federation.current import CurrentFederation
from gateway.federation.policies import DAY_WORK
from gateway.relay.border import Border
from gateway.store.port import Operation, Store, Transaction
from gateway.store.schema import migrations_of
from region_node.node.context import RegionContext
from region_node.node.day_work import ATTACH, UPLOAD, told_size
from region_node.node.operator_work import RECORD
from region_node.requests.day_work import DayWorkWatch
from region_node.schema import PACKAGES
from tests.contract.stores import Adapter, run
from tests.shipped import shipped_configuration
from tests.simulation.world import keys

NOW = datetime(2030, 6, 15, 4, tzinfo=UTC)
MOST = 6
COUNTER, KIOSK = "region/sichuan/operator/counter", "region/sichuan/operator/kiosk"


class Wall:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time


@pytest.fixture(autouse=True)
def _small_pages_without_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("region_node.requests.open_work.LONGEST_REST", 0)
    monkeypatch.setattr("region_node.node.day_work.PAGE", 3)


def context(most: int | None = MOST) -> RegionContext:
    """Sichuan in a federation with that bound; None for one without the policy, as of an older version."""
    current, shared = CurrentFederation(), keys()
    node = RegionContext(Border("sichuan", shared.signers["sichuan"], shared.trusted, current))
    bounded(node, most)
    return node


def bounded(node: RegionContext, most: int | None) -> None:
    """The federation has that bound from now on."""
    configuration = shipped_configuration()
    (policy,) = (each for each in configuration.policies if each.name == DAY_WORK)
    if most is None:
        configuration.policies.remove(policy)
    else:
        policy.figure.value = most
    node.border.current.update(Federation(1 if most == MOST else 2, configuration), [])


async def acts(
    store: Store, actor: str, count: int, time: datetime, *, beyond: int = 0, action: str = "", detail: str = ""
) -> None:
    """Rows of an actor in the chain; some numbers may be left out before them, as after a loss."""

    def add(tx: Transaction) -> None:
        if beyond:
            audit.append_after_loss(tx, beyond=beyond, now=time, actor="node", subject="-", detail="-")
        for _ in range(count):
            audit.append(tx, now=time, actor=actor, action=action or "SubmitOrder", subject="-", detail=detail)

    await store.write(add)


def refusal(node: RegionContext, operator: str) -> Refused | None:
    """How an operator system is refused."""
    try:
        node.day_work.require_share(operator)
    except Refused as refused:
        return refused
    return None


def test_what_an_operator_system_has_done_and_read_in_a_day_is_bounded_and_hours_that_are_over_count_no_more(
    adapter: Adapter,
) -> None:
    async def scenario() -> None:
        node, wall = context(), Wall()
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            watch = DayWorkWatch(node, store, wall)
            await acts(store, COUNTER, 9, NOW - timedelta(hours=30))
            await acts(store, COUNTER, 4, NOW - timedelta(hours=20))
            await acts(store, COUNTER, 3, NOW)
            await acts(store, "region/sichuan/staff/li", 2, NOW)
            await acts(store, "region/henan/operator/counter", 8, NOW)
            await acts(store, "region/henan", 8, NOW)
            assert refusal(node, "counter") is None, "nothing is counted yet"
            await watch.look()
            assert node.day_work.by_operator == {"counter": 7, "staff/li": 2}
            refused = refusal(node, "counter")
            assert refused is not None
            assert refused.reason == Reason.REASON_DAY_WORK_TOO_MUCH
            assert len(to_status(refused).details) == 4, "with RetryInfo"
            assert refusal(node, "kiosk") is None
            wall.time += timedelta(hours=5)
            await watch.look()
            assert (node.day_work.by_operator["counter"], refusal(node, "counter")) == (3, None)

    run(scenario())


def test_the_count_goes_on_after_a_restart_and_with_what_other_processes_have_done(adapter: Adapter) -> None:
    async def scenario() -> None:
        wall, first = Wall(), context()
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            watch = DayWorkWatch(first, store, wall)
            await watch.look()
            await acts(store, COUNTER, 4, NOW)
            await watch.look()
            await watch.look()
            assert first.day_work.by_operator == {"counter": 4}, "each row once"
            await acts(store, KIOSK, 2, NOW, beyond=100)
            for node, looking in ((first, watch), (again := context(), DayWorkWatch(again, store, wall))):
                await looking.look()
                assert node.day_work.by_operator == {"counter": 4, "kiosk": 2}

    run(scenario())


def test_a_stored_file_counts_once_for_each_4_kib_of_its_content(adapter: Adapter) -> None:
    async def scenario() -> None:
        node = context()
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            for size, actor, action in ((1, KIOSK, UPLOAD), (RECORD, KIOSK, ATTACH), (4 * RECORD + 1, COUNTER, UPLOAD)):
                await acts(store, actor, 1, NOW, action=action, detail=f"staff li, ID_ORIG, {told_size(size)}")
            await acts(store, "region/henan/operator/counter", 1, NOW, action=UPLOAD, detail=told_size(10**9))
            await acts(store, COUNTER, 1, NOW, action=UPLOAD, detail="staff li, DOCUMENT_TOO_LARGE")
            await acts(store, COUNTER, 1, NOW, detail=f"staff li, a text of the caller, {told_size(10**9)}")
            await DayWorkWatch(node, store, Wall()).look()
            assert node.day_work.by_operator == {"kiosk": 2, "counter": 5 + 2}

    run(scenario())


class Busy:
    """A store in which something happens behind each read."""

    def __init__(self, store: Store, happens: Callable[[], Awaitable[None]]) -> None:
        self._store = store
        self._happens = happens
        self.reads = 0

    async def read(self, operation: Operation[object]) -> object:
        self.reads += 1
        assert self.reads < 20, "the count has no end"
        found = await self._store.read(operation)
        await self._happens()
        return found


def test_a_count_ends_while_rows_come_all_the_time_and_the_next_one_has_them(adapter: Adapter) -> None:
    async def scenario() -> None:
        node, wall = context(), Wall()
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            await acts(store, COUNTER, 4, NOW)
            busy = Busy(store, lambda: acts(store, COUNTER, 1, NOW))
            watch = DayWorkWatch(node, cast("Store", busy), wall)
            await watch.look()
            counted = node.day_work.by_operator["counter"]
            await watch.look()
            assert node.day_work.by_operator["counter"] > counted

    run(scenario())


def test_a_count_of_many_pages_drops_the_hours_that_end_meanwhile_and_takes_a_changed_bound(adapter: Adapter) -> None:
    async def scenario() -> None:
        node, wall = context(), Wall()
        async with adapter.open(migrations_of(*PACKAGES)) as store:

            async def a_day_passes() -> None:
                if node.day_work.by_operator == {"counter": 3} and wall.time == NOW:
                    wall.time += timedelta(days=2)
                    await acts(store, KIOSK, 2, wall.time)
                    bounded(node, MOST + 1)

            await acts(store, COUNTER, 3 * 3, NOW)
            watch = DayWorkWatch(node, cast("Store", Busy(store, a_day_passes)), wall)
            await watch.look()
            assert (node.day_work.by_operator, node.day_work.most) == ({"kiosk": 2}, MOST + 1)

    run(scenario())


def test_a_federation_without_the_policy_bounds_nothing(adapter: Adapter) -> None:
    async def scenario() -> None:
        node = context(most=None)
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            await acts(store, COUNTER, MOST + 1, NOW)
            await DayWorkWatch(node, store, Wall()).look()
            assert refusal(node, "counter") is None

    run(scenario())
