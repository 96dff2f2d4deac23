"""The escalation recipients receive every level at least once, under one id, whatever a sink does."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.api.region.v1.complaint_pb2 import Escalation
from gateway.errors import Unreachable
from gateway.federation.catalogue import Federation
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border
from gateway.store.port import Store, Transaction
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore
from gateway.time.clock import to_timestamp
from region_node.care.escalations.notifier import EscalationNotifier
from region_node.care.escalations.rows import forgo, next_due, notify_recipients, waiting_sinks
from region_node.node import outgoing
from region_node.node.context import RegionContext
from region_node.schema import PACKAGES
from tests.contract.relay_pair import NOW, FixedClock
from tests.keys import region_keys
from tests.shipped import shipped_configuration
from tests.simulation.world import keys
from tests.unit.complaint_scene import complaint

PATIENCE = 60.0  # seconds; reached only where a test fails


@pytest.fixture(autouse=True)
def _rests_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that a test moves is noticed at once."""
    monkeypatch.setattr(outgoing, "REST", 0.001)
    monkeypatch.setattr(outgoing, "LONGEST_SLEEP", 0.001)


class Above:
    """A sink that accepts notices unless it is away."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.called: list[str] = []
        self.is_away = False
        self.tried = asyncio.Event()

    async def tell(self, raised: RaisedComplaint, timeout: float) -> None:
        """See the port."""
        self.tried.set()
        if self.is_away:
            raise Unreachable("away")
        self.told.append(raised.id)
        self.called.append(raised.on_duty.contact.telephone)


def context(**sinks: int) -> RegionContext:
    shared = keys()
    border = Border("sichuan", shared.signers["sichuan"], shared.trusted, CurrentFederation())
    return RegionContext(border, sinks=sinks)


def raises(
    region: RegionContext, levels: Sequence[int], ticket_id: str = "guangdong/1", *, wait: timedelta = timedelta()
) -> Callable[[Transaction], None]:
    """The writes for reached levels, whose notices wait."""
    found = complaint(NOW)
    found.ticket_id = ticket_id
    reached = [
        Escalation(level=level, due_time=to_timestamp(NOW), time=to_timestamp(NOW), region=region.region)
        for level in levels
    ]
    return lambda tx: notify_recipients(tx, region, found, reached, NOW, due=NOW + wait)


@asynccontextmanager
async def a_store(directory: Path) -> AsyncIterator[Store]:
    store = SqliteStore(directory / "node.db", migrations_of(*PACKAGES), region_keys())
    try:
        async with asyncio.timeout(PATIENCE):
            yield store
    finally:
        await store.close()


@asynccontextmanager
async def notifier(
    store: Store, clock: FixedClock, name: str, sink: Above, *, has_body: bool = False
) -> AsyncIterator[EscalationNotifier]:
    """A process that tells a sink meanwhile."""
    current = CurrentFederation()
    if has_body:
        current.update(Federation(1, shipped_configuration()), [])
    found = EscalationNotifier(store, clock, name, sink, random.Random(1), current)
    task = asyncio.get_running_loop().create_task(found.run())
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def all_told(store: Store, clock: FixedClock, *, passing: timedelta = timedelta()) -> None:
    """Returns when nothing waits; time passes meanwhile."""
    while await store.read(waiting_sinks):
        clock.instant += passing
        await asyncio.sleep(0)


def test_each_sink_is_told_of_every_level_from_its_lowest_on_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        file, webhook, clock = Above(), Above(), FixedClock()
        async with a_store(tmp_path) as store:
            await store.write(raises(context(file=1, webhook=3), [0, 1, 2, 3, 4]))
            async with notifier(store, clock, "file", file), notifier(store, clock, "webhook", webhook):
                await all_told(store, clock)
                await store.write(raises(context(file=1, webhook=3), [5]))
                await all_told(store, clock)
        assert file.told == [f"guangdong/1/L{level}" for level in (1, 2, 3, 4, 5)]
        assert webhook.told == [f"guangdong/1/L{level}" for level in (3, 4, 5)]

    asyncio.run(scenario())


def test_a_sink_that_is_away_is_tried_again_until_it_takes_it_and_holds_up_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("region_node.node.deliveries._REMINDER", 0.0)
    caplog.set_level(logging.WARNING)

    async def scenario() -> None:
        file, webhook, clock = Above(), Above(), FixedClock()
        webhook.is_away = True
        async with a_store(tmp_path) as store:
            await store.write(raises(context(file=1, webhook=1), [1, 2]))
            async with notifier(store, clock, "file", file), notifier(store, clock, "webhook", webhook) as away:
                await webhook.tried.wait()
                while len(file.told) < 2 or not any("have failed for" in each.message for each in caplog.records):
                    clock.instant += timedelta(seconds=1)
                    await asyncio.sleep(0)
                assert (webhook.told, away.deliveries.failing() > 0) == ([], True)
                webhook.is_away = False
                await all_told(store, clock, passing=timedelta(seconds=1))
                assert (away.deliveries.failing(), away.deliveries.accepted) == (0.0, 2)
        assert sorted(webhook.told) == ["guangdong/1/L1", "guangdong/1/L2"]
        assert file.told == ["guangdong/1/L1", "guangdong/1/L2"]
        assert "accepts deliveries again" in caplog.text

    asyncio.run(scenario())


@pytest.mark.clause("9.1(2)")
def test_a_notice_names_the_person_on_duty_at_its_delivery_and_no_log_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def scenario() -> None:
        above, clock = Above(), FixedClock()
        above.is_away = True
        async with a_store(tmp_path) as store:
            await store.write(raises(context(file=1), [3]))
            async with notifier(store, clock, "file", above, has_body=True):
                await above.tried.wait()
                clock.instant += timedelta(days=7)
                above.is_away = False
                await all_told(store, clock, passing=timedelta(seconds=1))
        body = Federation(1, shipped_configuration()).body
        office = body.on_duty("beijing", "COORDINATION", clock.now()).contact
        assert above.called == [office.telephone]
        assert office.staff_id != body.on_duty("beijing", "COORDINATION", NOW).contact.staff_id
        assert office.telephone not in caplog.text
        assert office.name not in caplog.text

    asyncio.run(scenario())


def test_two_that_tell_one_sink_tell_it_of_each_level_once_between_them(tmp_path: Path) -> None:
    async def scenario() -> None:
        above, clock = Above(), FixedClock()
        ticket_ids = [f"guangdong/{number}" for number in range(50)]
        async with (
            a_store(tmp_path) as store,
            notifier(store, clock, "file", above),
            notifier(store, clock, "file", above),
        ):
            await asyncio.gather(*(store.write(raises(context(file=1), [1], ticket_id)) for ticket_id in ticket_ids))
            await all_told(store, clock)
        assert sorted(above.told) == sorted(f"{ticket_id}/L1" for ticket_id in ticket_ids)

    asyncio.run(scenario())


def test_what_a_process_had_claimed_as_it_died_is_told_by_the_next_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        never, above, clock = Above(), Above(), FixedClock()
        hangs = asyncio.Event()

        async def hang(raised: RaisedComplaint, timeout: float) -> None:
            never.tried.set()
            await hangs.wait()

        never.tell = hang  # type: ignore[method-assign]
        async with a_store(tmp_path) as store:
            await store.write(raises(context(file=1), [1]))
            async with notifier(store, clock, "file", never):
                await never.tried.wait()
            due = await store.read(lambda tx: next_due(tx, "file"))
            assert due is not None
            assert due > clock.now()
            clock.instant = due
            async with notifier(store, clock, "file", above):
                await all_told(store, clock)
        assert above.told == ["guangdong/1/L1"]

    asyncio.run(scenario())


def test_of_levels_that_another_region_tells_no_sink_is_told_unless_one_was_or_is_being_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        file, webhook, clock = Above(), Above(), FixedClock()
        webhook.is_away = True
        region = context(file=1, webhook=2)
        async with a_store(tmp_path) as store:
            await store.write(raises(region, [1, 2]))
            async with notifier(store, clock, "webhook", webhook):
                await webhook.tried.wait()
            await store.write(raises(region, [3, 4], wait=timedelta(minutes=1)))
            assert await store.write(lambda tx: forgo(tx, "guangdong/1", 3)) == {1, 3}, "the webhook is tried with 2"
            assert await store.write(lambda tx: forgo(tx, "guangdong/1", 3)) == set()
            webhook.is_away = False
            async with notifier(store, clock, "file", file), notifier(store, clock, "webhook", webhook):
                await all_told(store, clock, passing=timedelta(seconds=1))
        assert file.told == ["guangdong/1/L2", "guangdong/1/L4"]
        assert sorted(webhook.told) == ["guangdong/1/L2", "guangdong/1/L4"]

    asyncio.run(scenario())
