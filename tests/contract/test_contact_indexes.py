"""Complaints and faults are listed by the number of their contact, also those of a version before; on both engines."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.api.region.v1.fault_pb2 import Fault
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border
from gateway.store import vault
from gateway.store.port import Transaction
from gateway.store.schema import migrations_of
from gateway.time.clock import to_timestamp
from region_node.app import row_fills
from region_node.app.row_fills import RowFilling
from region_node.care.complaints.rows import (
    CONTACTS,
    ComplaintFilter,
    ComplaintRow,
    complaint_subject,
    insert_complaint,
    list_complaints,
    update_complaint,
)
from region_node.customers.known_statuses import keep_known
from region_node.customers.status import ACTIVE, ERASED, RESTRICTED
from region_node.network.faults.rows import FaultFilter, FaultRow, insert_fault, list_faults, update_fault
from region_node.node.context import RegionContext
from region_node.requests.open_work import rest_after
from region_node.schema import PACKAGES
from tests.contract.stores import Adapter, run
from tests.simulation.world import keys
from tests.unit.situations import FEDERATION

NOW = datetime(2030, 6, 15, 4, tzinfo=UTC)
LINE, OTHER_LINE = "+8619844000001", "+8619844000002"
CONTACT, OTHER_CONTACT = "+8619851000001", "+8619844000003"  # of Sichuan and of Guangdong


def context() -> RegionContext:
    current, shared = CurrentFederation(), keys()
    current.update(FEDERATION, [])
    return RegionContext(Border("sichuan", shared.signers["sichuan"], shared.trusted, current))


def complaint_of(name: str, number: str, contact: str) -> Complaint:
    complaint = Complaint(ticket_id=name, version=1, create_time=to_timestamp(NOW))
    complaint.request.number, complaint.request.contact_number = number, contact
    return complaint


def fault_of(name: str, number: str, contact: str) -> Fault:
    fault = Fault(id=name, version=1, create_time=to_timestamp(NOW))
    fault.report.number, fault.report.contact_number = number, contact
    fault.outages.add(start_time=fault.create_time, end_time=fault.create_time)
    return fault


def add(tx: Transaction, *contacts: str, number: str = LINE) -> None:
    """A complaint and a fault for each contact; their name is the number with the place of the contact."""
    for place, contact in enumerate(contacts, 1):
        name = f"{number}/{place}"
        insert_complaint(tx, ComplaintRow(complaint_of(name, number, contact), ""), place, NOW)
        insert_fault(tx, FaultRow(fault_of(name, number, contact), ""), place, NOW)


def as_before(tx: Transaction) -> None:
    """All tickets are as a version without the column has written them."""
    for table in ("complaints", "faults"):
        tx.execute(f"UPDATE {table} SET contact_index = NULL")


def found(tx: Transaction, contact: str, number: str = "") -> tuple[Sequence[str], Sequence[str]]:
    """The complaints and the faults with a contact, and about a number."""
    complaints = ComplaintFilter(region="sichuan", number=number, contact_number=contact)
    faults = FaultFilter(region="sichuan", number=number, contact_number=contact)
    return (
        [each.ticket_id for each in list_complaints(tx, complaints, None, 10).items],
        [each.id for each in list_faults(tx, faults, None, 10).items],
    )


def of_both(*names: str) -> tuple[Sequence[str], Sequence[str]]:
    return list(names), list(names)


def test_tickets_are_found_by_the_number_of_their_contact_and_not_by_that_of_the_line(adapter: Adapter) -> None:
    async def scenario() -> None:
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            await store.write(lambda tx: add(tx, CONTACT, OTHER_CONTACT, "", CONTACT))
            await store.write(lambda tx: add(tx, CONTACT, number=OTHER_LINE))
            first, others = f"{OTHER_LINE}/1", (f"{LINE}/4", f"{LINE}/1")
            assert await store.read(lambda tx: found(tx, CONTACT, LINE)) == of_both(*others)
            by_contact = await store.read(lambda tx: found(tx, CONTACT))
            assert [sorted(each) for each in by_contact] == 2 * [sorted((first, *others))]
            assert await store.read(lambda tx: found(tx, LINE)) == of_both()
            assert [len(each) for each in await store.read(lambda tx: found(tx, ""))] == [5, 5]

    run(scenario())


def test_tickets_that_a_version_before_has_written_are_found_once_they_are_filled_in(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_fills, "_PAGE", 2)

    async def scenario() -> None:
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            node = context()
            filling = RowFilling(node, store)
            await store.write(lambda tx: add(tx, "", OTHER_CONTACT, "", CONTACT))
            await store.write(as_before)
            assert await store.read(lambda tx: found(tx, CONTACT)) == of_both()
            assert [len(each) for each in await store.read(lambda tx: found(tx, "", LINE))] == [4, 4]
            assert (
                await store.write(lambda tx: CONTACTS.fill(tx, node, 1)) == 1
            )  # a process that was killed after its page
            await filling.look()
            assert await store.read(lambda tx: found(tx, CONTACT)) == of_both(f"{LINE}/4")
            assert await store.write(lambda tx: CONTACTS.fill(tx, node, 2)) == 0
            # A process of the version before runs on beside.
            await store.write(lambda tx: add(tx, CONTACT, number=OTHER_LINE))
            await store.write(lambda tx: tx.execute("UPDATE faults SET contact_index = NULL"))
            await filling.look()
            assert await store.read(lambda tx: found(tx, CONTACT, OTHER_LINE)) == of_both(f"{OTHER_LINE}/1")

    run(scenario())


def test_a_fill_is_logged_at_its_begin_and_end_and_only_where_rows_are_left(
    adapter: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            filling = RowFilling(context(), store)
            await store.write(lambda tx: add(tx, CONTACT, OTHER_CONTACT))
            await filling.look()
            assert caplog.messages == []
            await store.write(as_before)
            await filling.look()

    caplog.set_level(logging.INFO, row_fills.__name__)
    run(scenario())
    begun, ended = "rows of an earlier version are filled: {}", "2 rows of an earlier version have been filled: {}"
    assert sorted(caplog.messages) == sorted(
        each.format(kind) for kind in ("complaint", "fault") for each in (begun, ended)
    )


def test_a_loop_of_pages_rests_some_times_as_long_as_its_page_took_and_never_longer_than_a_second() -> None:
    assert [rest_after(taken, 4) for taken in (0.0, 0.01, 0.2, 60.0)] == [0.0, 0.04, 0.8, 1.0]


def test_a_change_leaves_the_index_of_a_ticket_alone(adapter: Adapter) -> None:
    def change(tx: Transaction) -> None:
        update_complaint(tx, complaint_of(f"{LINE}/1", LINE, CONTACT), NOW)
        update_fault(tx, fault_of(f"{LINE}/1", LINE, CONTACT), NOW)

    async def scenario() -> None:
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            await store.write(lambda tx: add(tx, CONTACT))
            await store.write(change)
            assert await store.read(lambda tx: found(tx, CONTACT)) == of_both(f"{LINE}/1")

    run(scenario())


def test_the_number_of_a_restricted_customer_finds_no_ticket(adapter: Adapter) -> None:
    async def scenario() -> None:
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            await store.write(lambda tx: add(tx, CONTACT, OTHER_CONTACT))
            await store.write(lambda tx: keep_known(tx, CONTACT, "guangdong", RESTRICTED))
            assert await store.read(lambda tx: found(tx, CONTACT)) == of_both()
            assert await store.read(lambda tx: found(tx, OTHER_CONTACT)) == of_both(f"{LINE}/2")
            await store.write(lambda tx: keep_known(tx, CONTACT, "guangdong", ACTIVE))
            assert await store.read(lambda tx: found(tx, CONTACT)) == of_both(f"{LINE}/1")

    run(scenario())


def test_no_fill_gives_an_index_to_an_unreadable_or_altered_ticket_or_to_an_erased_customers_number(
    adapter: Adapter,
) -> None:
    def lose(tx: Transaction) -> None:
        as_before(tx)
        vault.destroy(tx, [complaint_subject(f"{LINE}/1")])
        body = tx.first(bytes, "SELECT body FROM faults WHERE fault_id = :id", id=f"{LINE}/1") or b""
        altered = body[:-1] + bytes([body[-1] ^ 1])
        tx.execute("UPDATE faults SET body = :body WHERE fault_id = :id", body=altered, id=f"{LINE}/1")
        keep_known(tx, OTHER_CONTACT, "guangdong", ERASED)
        keep_known(tx, CONTACT, "guangdong", ERASED)  # a former home: the number is that of another customer by now

    def indexed(tx: Transaction) -> list[str]:
        sql = "SELECT {key} FROM {table} WHERE contact_index <> '' ORDER BY {key}"
        tables = {"complaints": "ticket_id", "faults": "fault_id"}
        return [each for table, key in tables.items() for each in tx.all(str, sql.format(key=key, table=table))]

    def left(tx: Transaction) -> list[int]:
        tables = ("complaints", "faults")
        return [each for table in tables for each in tx.all(int, f"SELECT 1 FROM {table} WHERE contact_index IS NULL")]

    async def scenario() -> None:
        async with adapter.open(migrations_of(*PACKAGES)) as store:
            await store.write(lambda tx: add(tx, CONTACT, OTHER_CONTACT, CONTACT))
            await store.write(lose)
            await RowFilling(context(), store).look()
            assert await store.read(left) == []
            assert await store.read(indexed) == 2 * [f"{LINE}/3"]

    run(scenario())
