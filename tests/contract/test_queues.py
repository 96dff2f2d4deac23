"""The queues for systems beside a node, as its metrics show them, on both engines."""

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent
from gateway.api.region.v1.listener_service_pb2 import Listener
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.store.port import Store, Transaction
from gateway.store.schema import migrations_of
from region_node.app.queues import queue_watch
from region_node.business.orders import provisioning_rows as tasks
from region_node.care.complaints import case_notifier_rows as cases
from region_node.customers.notices import rows as notices
from region_node.listeners import rows as listeners
from region_node.network.problems import rows as problems
from region_node.node import queues
from region_node.schema import PACKAGES
from tests.contract.relay_pair import NOW, FixedClock
from tests.contract.stores import ADAPTERS, Adapter, adapter_for, run
from tests.contract.test_listeners import ORDERS
from tests.contract.test_open_work import taken_in

MINUTE = timedelta(minutes=1)
ALL = ("cases", "fulfilment", "listeners", "network_events", "notices")


@pytest.fixture(params=sorted(ADAPTERS), name="adapter")
def one_adapter(request: pytest.FixtureRequest, tmp_path: Path) -> Adapter:
    name: str = request.param
    return adapter_for(name, request, tmp_path)


def _fill(tx: Transaction) -> None:
    """One entry of each queue, beside what waits for nobody outside: a task of staff, and a notice in quiet hours."""
    for name in ("due", "held"):
        text = LocalizedText(zh_cn="账单", en="a bill")
        notices.tell(tx, notices.Notice(name, "abnormal-bill", "+8613800000000", text), NOW)
    notices.postpone(tx, "held", NOW + timedelta(hours=8), 0)
    for name in ("asked", "decided"):
        tasks.add_task(tx, name, NOW)
    decided = tasks.find_task(tx, "decided")
    assert decided is not None
    tasks.rest(tx, decided)
    taken_in(tx, "crm", 1)
    listeners.insert(tx, "crm", Listener(id="behind", resource=ORDERS), 0, NOW)
    listeners.insert(tx, "crm", Listener(id="told", resource=ORDERS), 1_000, NOW)
    cases.queue_report(tx, "case", 1)
    problems.note_event(tx, NetworkEvent(id="event", version=1))


def _try_in_vain(tx: Transaction) -> None:
    """The notification system and the region's own system give no answer."""
    notices.postpone(tx, "due", NOW + 5 * MINUTE, 8)
    asked = tasks.find_task(tx, "asked")
    assert asked is not None
    tasks.put_off(tx, tasks.count_call(tx, asked, 1, NOW), NOW + 5 * MINUTE, "no answer")


def _answer(tx: Transaction) -> None:
    """Each system accepts something: only two of the queues are empty then."""
    notices.note_delivered(tx, "due", NOW)
    asked, behind = tasks.find_task(tx, "asked"), listeners.find(tx, "behind")
    assert asked is not None
    assert behind is not None
    tasks.enter_phase(tx, asked, tasks.Phase.PROVISION, NOW, {})
    listeners.note_told(tx, behind.told(1_000))
    cases.queue_report(tx, "case", 2)
    problems.note_event(tx, NetworkEvent(id="event", version=2))


def test_a_queue_counts_what_waits_and_ages_until_the_other_system_accepts_something(adapter: Adapter) -> None:
    async def scenario() -> None:
        clock = FixedClock()
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            without = queue_watch(store, clock, has_notifier=False)
            await without.look()
            assert sorted(without.counts) == [each for each in ALL if each != "notices"], "nobody sends them"
            watch = queue_watch(store, clock, has_notifier=True)
            await watch.look()
            assert (watch.counts, watch.ages()) == (dict.fromkeys(ALL, 0), dict.fromkeys(ALL, 0.0))
            await store.write(_fill)
            await watch.look()
            clock.instant += MINUTE
            assert (watch.counts, watch.ages()) == (dict.fromkeys(ALL, 1), dict.fromkeys(ALL, 60.0))
            await store.write(_try_in_vain)
            await watch.look()
            clock.instant += MINUTE
            assert (watch.counts, watch.ages()) == (dict.fromkeys(ALL, 1), dict.fromkeys(ALL, 120.0))
            await store.write(_answer)
            await watch.look()
            empty = {"listeners": 0, "notices": 0}
            assert (watch.counts, watch.ages()) == ({**dict.fromkeys(ALL, 1), **empty}, dict.fromkeys(ALL, 0.0))

    run(scenario())


def test_an_entry_that_comes_later_is_younger_and_what_is_beyond_the_followed_ones_is_counted(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "FOLLOWED", 2)

    async def scenario() -> None:
        clock = FixedClock()
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            watch = queue_watch(store, clock, has_notifier=True)
            for number in range(3):
                await _queue(store, number)
                await watch.look()
                clock.instant += MINUTE
            assert (watch.counts["cases"], watch.ages()["cases"]) == (3, 180.0)
            await store.write(lambda tx: cases.note_delivered(tx, cases.CaseReport("case 0", 1)))
            await watch.look()
            assert (watch.counts["cases"], watch.ages()["cases"]) == (2, 120.0)

    run(scenario())


async def _queue(store: Store, number: int) -> None:
    await store.write(lambda tx: cases.queue_report(tx, f"case {number}", 1))
