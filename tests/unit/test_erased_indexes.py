"""Indexes of erased customers' numbers, and the scrubs by which an erasure is known to be complete."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.api.region.v1.fault_pb2 import Fault
from gateway.process.running import stop_tasks
from gateway.store import vault
from gateway.store.port import Store, Transaction
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore
from gateway.store.timers import due_timers, fire
from gateway.time import agreed_clock
from gateway.time.clock import to_timestamp
from region_node.care.complaints.keeping import add_complaint
from region_node.care.complaints.rows import ComplaintRow, complaint_subject
from region_node.customers.known_statuses import OWN, erased_by, keep_known
from region_node.customers.rows import insert_line, is_number_in_use
from region_node.customers.status import ERASED
from region_node.lifecycle.erasure import scrub_rows, scrubber
from region_node.lifecycle.erasure.destroying import destroy
from region_node.lifecycle.erasure.indexes import (
    INDEX_TIMER,
    STATUS_TIMER,
    ensure_forgotten,
    forget_status_later,
    indexes_are_due,
    status_is_due,
)
from region_node.lifecycle.erasure.of_numbers import forget_number
from region_node.lifecycle.erasure.operations import apply_erased
from region_node.lifecycle.erasure.scrub_rows import (
    Scrub,
    begin_scrub,
    due_scrub,
    end_scrubs,
    first_waiting,
    is_scrub_due,
    keep_attempt,
)
from region_node.lifecycle.erasure.scrubber import Scrubber, tables_to_scrub
from region_node.network.faults.rows import FaultRow, fault_subject, insert_fault
from region_node.node.subjects import customer_subject, number_index
from region_node.schema import PACKAGES
from tests.keys import region_keys
from tests.unit.purging import NOW, Archive, archive
from tests.unit.situations import LINE
from tests.unit.test_agreed_clock import Machine, started

THEIRS = "+8613900000007"
OTHERS, ELSEWHERE = "+8619851000007", "+8619851000008"
RETURNED = "+8619844000007"
"""A number that Henan's customer had, and that a customer of Guangdong has again."""
DAY = timedelta(days=1)
MONTH = 30 * DAY


@pytest.fixture(name="kept")
def what_a_region_keeps() -> Iterator[Archive]:
    with archive() as found:
        yield found


def later(kept: Archive, days: int) -> None:
    """Fires the timers of indexes that are due so many days after the erasure."""
    handlers = {
        INDEX_TIMER: lambda tx, timer, now: indexes_are_due(tx, kept.registry, timer.subject, now),
        STATUS_TIMER: lambda tx, timer, now: status_is_due(tx, kept.registry, timer, now),
    }
    for timer in due_timers(kept.tx, NOW + days * DAY):
        if timer.kind in handlers:
            fire(kept.tx, timer, handlers, NOW + days * DAY)


def found_in(kept: Archive, index: str) -> set[str]:
    """The tables in which an index stands."""
    names = kept.tx.all(str, "SELECT name FROM sqlite_master WHERE type = 'table'")
    return {
        name
        for name in names
        if any(index in str(cell) for row in kept.tx.all(lambda *row: row, f"SELECT * FROM {name}") for cell in row)
    }


def erased(kept: Archive) -> str:
    """The customer of the line is erased; returns the index of the number."""
    kept.customer()
    insert_line(kept.tx, LINE)
    destroy(kept.tx, kept.registry, [customer_subject(LINE.customer_id)], NOW)
    return number_index(kept.tx, LINE.number)


def test_the_index_of_an_erased_customers_number_is_found_nowhere_after_a_month_and_the_number_is_free(
    kept: Archive,
) -> None:
    index = erased(kept)
    later(kept, 29)
    assert erased_by(kept.tx, LINE.number) == {OWN}, "what was under way is still refused"
    assert begin_scrub(kept.tx, NOW) is not None
    later(kept, 30)
    assert found_in(kept, index) == set()
    assert not is_number_in_use(kept.tx, LINE.number)
    assert begin_scrub(kept.tx, NOW) == Scrub(2, ""), "the removed index is scrubbed, too"


def name_as_contacts(kept: Archive, *contacts: str) -> None:
    """A complaint and a fault of somebody else for each contact, numbered from 1."""
    for place, contact in enumerate(contacts, 1):
        complaint = Complaint(ticket_id=f"sichuan/{place}", owner_region="sichuan", origin_region="sichuan", version=1)
        complaint.request.number, complaint.request.contact_number = ELSEWHERE, contact
        complaint.create_time.CopyFrom(to_timestamp(NOW))
        add_complaint(kept.tx, ComplaintRow(complaint, ""), place, NOW)
        fault = Fault(id=f"sichuan/F{place}", owner_region="sichuan", origin_region="sichuan", version=1)
        fault.report.number, fault.report.contact_number = ELSEWHERE, contact
        fault.create_time.CopyFrom(to_timestamp(NOW))
        fault.outages.add(start_time=fault.create_time, end_time=fault.create_time)
        insert_fault(kept.tx, FaultRow(fault, ""), place, NOW)


def test_an_erased_customers_number_finds_no_ticket_any_more_of_which_it_was_the_contact(kept: Archive) -> None:
    contacts = (LINE.number, THEIRS, OTHERS)
    name_as_contacts(kept, *contacts)
    indexes, tickets = [number_index(kept.tx, each) for each in contacts], {"complaints", "faults"}
    assert [found_in(kept, each) for each in indexes] == 3 * [tickets]
    assert erased(kept) == indexes[0]
    forget_number(kept.tx, kept.registry, "guangdong", indexes[1], NOW)
    assert [found_in(kept, each) & tickets for each in indexes] == [set(), set(), tickets]
    destroy(kept.tx, kept.registry, [complaint_subject("sichuan/3"), fault_subject("sichuan/F3")], NOW)
    assert found_in(kept, indexes[2]) == set(), "nor does a ticket that was destroyed itself"


def test_an_index_of_a_contact_that_an_earlier_version_beside_left_at_an_erasure_goes_after_a_month(
    kept: Archive,
) -> None:
    index, theirs = erased(kept), number_index(kept.tx, THEIRS)
    keep_known(kept.tx, THEIRS, "guangdong", ERASED)
    forget_status_later(kept.tx, "guangdong", theirs, NOW)
    name_as_contacts(kept, LINE.number, THEIRS, OTHERS)
    later(kept, 29)
    assert {"complaints", "faults"} <= found_in(kept, index) & found_in(kept, theirs)
    later(kept, 30)
    assert found_in(kept, index) | found_in(kept, theirs) == set()
    assert found_in(kept, number_index(kept.tx, OTHERS)) == {"complaints", "faults"}


def test_a_former_homes_report_leaves_the_index_of_a_contact_who_is_anothers_customer_by_now(kept: Archive) -> None:
    index = number_index(kept.tx, RETURNED)
    name_as_contacts(kept, RETURNED)
    keep_known(kept.tx, RETURNED, "henan", ERASED)
    forget_status_later(kept.tx, "henan", index, NOW)
    later(kept, 30)
    assert erased_by(kept.tx, RETURNED) == set()
    assert found_in(kept, index) == {"complaints", "faults"}
    keep_known(kept.tx, RETURNED, "guangdong", ERASED)
    forget_status_later(kept.tx, "guangdong", index, NOW)
    later(kept, 30)
    assert found_in(kept, index) == set(), "the home itself has erased its customer"


def test_the_end_of_an_own_customers_indexes_leaves_that_of_a_contact_who_is_anothers_customer_by_now(
    kept: Archive,
) -> None:
    kept.customer()
    insert_line(kept.tx, replace(LINE, number=RETURNED))
    destroy(kept.tx, kept.registry, [customer_subject(LINE.customer_id)], NOW)
    name_as_contacts(kept, RETURNED)
    later(kept, 30)
    assert not is_number_in_use(kept.tx, RETURNED)
    assert found_in(kept, number_index(kept.tx, RETURNED)) == {"complaints", "faults"}


def test_an_index_that_came_back_with_an_older_database_goes_again(kept: Archive) -> None:
    kept.customer()
    insert_line(kept.tx, LINE)
    key_ids = vault.key_ids_of(kept.tx, [customer_subject(LINE.customer_id)])
    assert apply_erased(kept.tx, kept.registry, key_ids, NOW) == 1
    assert is_scrub_due(kept.tx, NOW)
    later(kept, 30)
    assert found_in(kept, number_index(kept.tx, LINE.number)) == set()


def test_indexes_that_an_earlier_version_has_kept_go_a_day_after_the_upgrade(kept: Archive) -> None:
    index = erased(kept)
    keep_known(kept.tx, THEIRS, "guangdong", ERASED)
    kept.tx.execute("DELETE FROM timers WHERE kind = :kind", kind=INDEX_TIMER)
    kept.tx.execute("DELETE FROM scrubs")
    ensure_forgotten(kept.tx, NOW)
    assert is_scrub_due(kept.tx, NOW), "of its erasures, too"
    ensure_forgotten(kept.tx, NOW + 9 * DAY)
    later(kept, 1)
    assert found_in(kept, index) | found_in(kept, number_index(kept.tx, THEIRS)) == set()


def test_another_regions_word_of_an_erased_customer_goes_once_no_record_needs_it(kept: Archive) -> None:
    index = number_index(kept.tx, THEIRS)
    keep_known(kept.tx, THEIRS, "guangdong", ERASED)
    keep_known(kept.tx, THEIRS, "henan", ERASED)
    forget_status_later(kept.tx, "guangdong", index, NOW)
    complaint = Complaint(ticket_id="sichuan/1", owner_region="sichuan", origin_region="sichuan", version=1)
    complaint.request.number = THEIRS
    complaint.create_time.CopyFrom(to_timestamp(NOW))
    add_complaint(kept.tx, ComplaintRow(complaint, ""), 1, NOW)
    later(kept, 30)
    assert erased_by(kept.tx, THEIRS) == {"guangdong", "henan"}, "the complaint ends by it"
    destroy(kept.tx, kept.registry, [complaint_subject("sichuan/1")], NOW)
    later(kept, 31)
    assert erased_by(kept.tx, THEIRS) == {"henan"}


def test_a_destruction_counts_for_the_scrub_that_has_not_begun(kept: Archive) -> None:
    tx = kept.tx
    assert not is_scrub_due(tx, NOW)
    assert [due_scrub(tx), due_scrub(tx)] == [1, 1]
    scrub = begin_scrub(tx, NOW)
    assert scrub == Scrub(1, "")
    assert due_scrub(tx) == 2, "the first one may have passed its place"
    keep_attempt(tx, scrub, "", NOW)
    end_scrubs(tx, NOW, NOW)
    assert scrub_rows.scrubbed_at(tx, 1) == NOW
    assert scrub_rows.scrubbed_at(tx, 2) is None
    assert scrub_rows.scrubbed_at(tx, 0) == NOW, "an erasure of an earlier version"


def test_an_attempt_that_failed_or_was_killed_is_made_again_and_not_at_once(kept: Archive) -> None:
    tx = kept.tx
    due_scrub(tx)
    first = begin_scrub(tx, NOW)
    assert first is not None
    assert begin_scrub(tx, NOW) is None, "of two processes one makes it"
    keep_attempt(tx, first, "16384", NOW)
    assert not is_scrub_due(tx, NOW + timedelta(minutes=9))
    second = begin_scrub(tx, NOW + scrub_rows.RETRY)
    assert second == Scrub(1, "16384")
    assert scrub_rows.scrubbed_at(tx, 1) is None
    keep_attempt(tx, second, "", NOW + MONTH)
    end_scrubs(tx, NOW + MONTH, NOW + MONTH)
    assert scrub_rows.scrubbed_at(tx, 1) == NOW + MONTH


def test_a_scrub_ends_once_archive_and_backups_have_nothing_of_before_it(kept: Archive) -> None:
    tx, hour = kept.tx, timedelta(hours=1)
    for number in range(2):
        due_scrub(tx)
        scrub = begin_scrub(tx, NOW)
        assert scrub is not None
        keep_attempt(tx, scrub, "", NOW + number * hour)
    keep_attempt(tx, Scrub(1, ""), "16384", NOW + hour)
    assert first_waiting(tx) == NOW, "a late attempt changes nothing"
    assert not is_scrub_due(tx, NOW + MONTH), "the tables are done"
    end_scrubs(tx, NOW - timedelta(microseconds=1), NOW + MONTH)
    assert scrub_rows.scrubbed_at(tx, 1) is None
    end_scrubs(tx, NOW, NOW + MONTH)
    assert [scrub_rows.scrubbed_at(tx, number) for number in (1, 2)] == [NOW + MONTH, None]
    assert first_waiting(tx) == NOW + hour
    end_scrubs(tx, NOW + hour, NOW + 2 * MONTH)
    assert [scrub_rows.scrubbed_at(tx, number) for number in (1, 2)] == [NOW + MONTH, NOW + 2 * MONTH]
    assert first_waiting(tx) is None


def test_no_look_at_scrubs_goes_through_those_that_wait_for_archive_and_backups(kept: Archive) -> None:
    tx, statements = kept.tx, list[str]()
    kept.connection.set_trace_callback(statements.append)
    for operation in (
        lambda: due_scrub(tx),
        lambda: is_scrub_due(tx, NOW),
        lambda: keep_attempt(tx, begin_scrub(tx, NOW) or Scrub(0, ""), "", NOW),
        lambda: first_waiting(tx),
        lambda: end_scrubs(tx, NOW, NOW),
    ):
        operation()
    kept.connection.set_trace_callback(None)
    of_rows = [each for each in statements if "INSERT" not in each]
    plans = {each: str(kept.connection.execute(f"EXPLAIN QUERY PLAN {each}").fetchall()) for each in of_rows}
    assert len(plans) >= 7
    for sql, plan in plans.items():
        by_number = "SCAN scrubs" in plan and "ORDER BY number DESC LIMIT 1" in sql
        has_bound = "scrubs_waiting (begin_time" in plan or "INTEGER PRIMARY KEY (rowid=?)" in plan
        assert by_number or has_bound, (sql, plan)
        assert "TEMP B-TREE" not in plan, (sql, plan)


def test_no_scrub_is_done_while_the_file_of_before_a_move_has_the_keys(
    kept: Archive, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    moved = tmp_path / "node.db.moved"

    class Clock:
        at = NOW

        def now(self) -> datetime:
            return self.at

    def due(tx: Transaction) -> None:
        due_scrub(tx)

    async def scenario() -> None:
        store: Store = SqliteStore(tmp_path / "node.db", migrations_of(*PACKAGES), region_keys())
        clock, oldest = Clock(), NOW
        try:
            scrubber = Scrubber(kept.registry, store, clock, moved, lambda _: oldest)
            elsewhere = Scrubber(kept.registry, store, clock, moved, None)
            await store.write(due)
            moved.touch()
            with caplog.at_level(logging.WARNING):
                await scrubber.scrub()
            assert "delete it" in caplog.text
            assert await store.read(lambda tx: scrub_rows.scrubbed_at(tx, 1)) is None
            moved.unlink()
            clock.at += scrub_rows.RETRY
            await scrubber.scrub()
            oldest = clock.at - timedelta(microseconds=1)
            await scrubber.end()
            await elsewhere.end()
            assert await store.read(lambda tx: scrub_rows.scrubbed_at(tx, 1)) is None, "a backup is older"
            oldest = clock.at
            await scrubber.end()
            assert await store.read(lambda tx: scrub_rows.scrubbed_at(tx, 1)) == clock.at
        finally:
            await store.close()

    asyncio.run(scenario())


class LookedAt(Machine):
    """A machine that counts how often a process looks at its clocks."""

    looks = 0

    def steady(self) -> float:
        self.looks += 1
        return super().steady()


def test_a_node_that_starts_by_a_clock_that_is_behind_dates_no_scrub_before_others_confirm_its_time(
    kept: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((agreed_clock, "_LOOK"), (scrubber, "LOOK_SECONDS")):
        monkeypatch.setattr(module, name, 0.001)
    machine = LookedAt()
    machine.error = -DAY
    clock = started(machine)
    border = replace(kept.context.border, clock=clock)
    registry = replace(kept.registry, context=replace(kept.context, border=border))
    backup = machine.true - timedelta(hours=1)

    def due(tx: Transaction) -> None:
        due_scrub(tx)

    async def scenario() -> None:
        loop, asked = asyncio.get_running_loop(), asyncio.Event()

        def oldest(_: datetime) -> datetime:
            loop.call_soon_threadsafe(asked.set)
            return backup

        store: Store = SqliteStore(tmp_path / "node.db", migrations_of(*PACKAGES), region_keys())
        try:
            await store.write(due)
            running = asyncio.create_task(Scrubber(registry, store, clock, tmp_path / "none", oldest).run())
            while machine.looks < 40:  # noqa: ASYNC110 - in which a scrub would begin and end
                await asyncio.sleep(0)
            machine.error = timedelta(0)
            clock.hear("coordinator", machine.true)
            await asked.wait()
            await stop_tasks([running])
            assert await store.read(first_waiting) == machine.true
            assert await store.read(lambda tx: scrub_rows.scrubbed_at(tx, 1)) is None, "a backup is older"
        finally:
            await store.close()

    asyncio.run(scenario())


_WITHOUT_INDEX = {
    "administrator_acts",  # id of a ticket, as in the next four
    "hold_notices",
    "holds_of_others",
    "inbox",
    "outbox",
    "audit",  # never changed
    "codes",  # hash of a code, valid for minutes
    "fulfilment_tasks",  # id of an order
    "sharing_requests",  # id of a grant
    "lost_commands",  # ids, as in the inbox
}
"""Tables with a column of such a name, which holds nothing that finds a number."""


def test_every_table_with_an_index_of_a_number_is_scrubbed(kept: Archive) -> None:
    sql = (
        "SELECT DISTINCT tables.name FROM sqlite_schema AS tables JOIN pragma_table_info(tables.name) AS columns"
        " WHERE tables.type = 'table' AND columns.type IN ('TEXT', 'BLOB')"
        " AND (columns.name LIKE '%number%' AND columns.name NOT IN ('part_number', 'other_number')"
        " OR columns.name LIKE '%!_hash' ESCAPE '!' OR columns.name = 'subject')"
    )
    found = {name for (name,) in kept.connection.execute(sql)}
    scrubbed = tables_to_scrub(kept.registry.kinds)
    assert {"orders", "complaints", "notices", "move_numbers", "asked_codes", vault.KEYS} <= set(scrubbed)
    assert sorted(found - set(scrubbed) - _WITHOUT_INDEX) == []
    assert len(scrubbed) == len(set(scrubbed))
    assert found >= _WITHOUT_INDEX, "no word for a table that is gone"
