"""A listener that nobody uses any more goes, and the changes for it are noted no longer."""

import asyncio
from datetime import timedelta
from pathlib import Path

from region_node.customers.events import EVENTS
from region_node.listeners import rows
from region_node.listeners.resources import last_change
from tests.contract.test_listeners import STOPPED, Region, has_failed, listening
from tests.contract.test_listeners import _rests_little as _rests_little
from tests.contract.test_listeners_of_customers import CUSTOMERS, opens
from tests.unit.situations import LINE

WEEK, SECOND, MONTH = timedelta(days=7), timedelta(seconds=1), timedelta(days=30)
STOPS = "SELECT stop_time FROM listeners WHERE stop_time IS NOT NULL"
STARTED_BEFORE = "UPDATE listeners SET stop_time = 1"  # a version before has started it, and leaves the time
STOPPED_BEFORE = "UPDATE listeners SET due_time = NULL"


async def stops(here: Region) -> None:
    """The listener is stopped now, after a month without a process that told it."""
    async with here.telling():
        await here.listener(has_failed)
    here.clock.instant += MONTH
    async with here.telling():
        await here.listener(lambda each: each.state == STOPPED)


def test_a_listener_that_was_stopped_for_a_week_is_removed_and_nothing_is_noted_for_it_from_then_on(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with listening(tmp_path, *[503] * 10) as (here, hook):
            await here.register(hook.url, resource=CUSTOMERS)
            await opens(here, LINE)
            await stops(here)
            almost = here.clock.now() + WEEK - SECOND
            assert await here.store.write(lambda tx: rows.remove_unused(tx, almost)) == []
            assert await here.store.read(EVENTS.is_heard)
            here.clock.instant += WEEK
            async with here.telling():
                found = await here.listeners()
                while found:
                    await asyncio.sleep(0.005)
                    found = await here.listeners()
            assert not await here.store.read(EVENTS.is_heard)

    asyncio.run(scenario())


def test_a_listener_that_a_version_before_has_stopped_is_removed_a_week_after_the_first_look(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with listening(tmp_path, *[503] * 10) as (here, hook):
            await here.register(hook.url, resource=CUSTOMERS)
            await opens(here, LINE)
            await stops(here)
            await here.store.write(lambda tx: tx.execute("UPDATE listeners SET stop_time = NULL"))
            first = here.clock.now() + MONTH
            for now, count in ((first, 0), (first + WEEK - SECOND, 0), (first + WEEK, 1)):
                due = await here.store.read(lambda tx: rows.next_due(tx, last_change, {}))
                assert due is not None
                assert (due <= now) == (now in (first, first + WEEK)), now
                removed = await here.store.write(lambda tx, now=now: rows.remove_unused(tx, now))  # type: ignore[misc]
                assert len(removed) == count, now

    asyncio.run(scenario())


def test_a_listener_that_was_started_again_stays_a_week_after_it_stops_anew(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with listening(tmp_path, *[503] * 10) as (here, hook):
            await here.register(hook.url, resource=CUSTOMERS)
            await opens(here, LINE)
            await stops(here)
            later = here.clock.now() + MONTH
            await here.register(hook.url, resource=CUSTOMERS)
            assert await here.store.read(lambda tx: tx.all(int, STOPS)) == []
            for statement in (STARTED_BEFORE, STOPPED_BEFORE):
                await here.store.write(lambda tx, sql=statement: tx.execute(sql))  # type: ignore[misc]
                assert await here.store.write(lambda tx: rows.remove_unused(tx, later)) == []

    asyncio.run(scenario())
