"""Numbers of lines that ended before their customer's erasure, and that other customers have by now."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState
from gateway.api.region.v1.document_service_pb2 import DocumentUpload
from gateway.api.region.v1.fault_pb2 import Fault, FaultState
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.support_request_pb2 import SupportRequest, SupportState
from gateway.store import vault
from gateway.store.timers import due_timers, fire
from gateway.time.clock import to_timestamp
from region_node.business.orders.rows import OrderRow, find_order, insert_order
from region_node.care.complaints.keeping import add_complaint
from region_node.care.complaints.rows import ComplaintRow, find_complaint
from region_node.customers.documents.files import REGISTERED, StoredFile, insert_file
from region_node.customers.known_statuses import erased_by, keep_known
from region_node.customers.rows import insert_line, is_number_in_use
from region_node.customers.status import ERASED
from region_node.customers.verification.rows import Asker, note_wrong_answer
from region_node.lifecycle.erasure.indexes import (
    INDEX_TIMER,
    STATUS_TIMER,
    forget_status_later,
    indexes_are_due,
    status_is_due,
)
from region_node.lifecycle.erasure.operations import apply_erased, retire
from region_node.lifecycle.erasure.status_envelopes import record_has_ended
from region_node.network.faults.kind import FAULTS
from region_node.network.faults.rows import FaultRow, find_fault, insert_fault, update_fault
from region_node.network.support.rows import SUPPORT_RECORDS, SUPPORT_ROWS, SupportRow
from region_node.node.subjects import customer_subject, number_index, number_subject
from tests.unit.purging import NOW, Archive, archive
from tests.unit.situations import LINE
from tests.unit.test_erased_indexes import found_in, name_as_contacts

PASSED = "+8619844000007"
"""A number of Guangdong by the number plan, with which a customer of Sichuan had a line."""
DAY = timedelta(days=1)


@pytest.fixture(name="kept")
def what_a_region_keeps() -> Iterator[Archive]:
    with archive() as found:
        yield found


def ended(kept: Archive, number: str) -> str:
    """A customer whose only line, with a number, has ended."""
    insert_line(kept.tx, replace(LINE, number=number).terminated())
    return kept.customer()


def erase(kept: Archive, customer_id: str) -> None:
    assert retire(kept.tx, kept.registry, customer_id, NOW)


def fault(kept: Archive, name: str, number: str, home: str, state: FaultState.ValueType) -> None:
    row = Fault(id=f"sichuan/{name}", owner_region="sichuan", origin_region="sichuan", version=1, state=state)
    row.home_region, row.report.number = home, number
    row.create_time.CopyFrom(to_timestamp(NOW))
    row.outages.add(start_time=row.create_time, end_time=row.create_time)
    insert_fault(kept.tx, FaultRow(row, ""), int(name), NOW)


def order(kept: Archive, name: str, home: str) -> None:
    row = Order(id=f"sichuan/counter/{name}", origin_region="sichuan", home_region=home)
    row.state, row.request.number = OrderState.ORDER_STATE_COMPLETED, PASSED
    row.create_time.CopyFrom(to_timestamp(NOW))
    insert_order(kept.tx, OrderRow(row, ""), NOW)


def complaint(kept: Archive, name: str, home: str) -> None:
    row = Complaint(ticket_id=f"sichuan/{name}", owner_region="sichuan", origin_region="sichuan", version=1)
    row.state, row.home_region, row.request.number = ComplaintState.COMPLAINT_STATE_CLOSED, home, PASSED
    row.create_time.CopyFrom(to_timestamp(NOW))
    add_complaint(kept.tx, ComplaintRow(row, ""), int(name), NOW)


def support(kept: Archive, name: str, home: str) -> None:
    row = SupportRequest(id=f"sichuan/{name}", owner_region="sichuan", origin_region="sichuan", version=1)
    row.state, row.home_region, row.inquiry.number = SupportState.SUPPORT_STATE_CLOSED, home, PASSED
    row.create_time.CopyFrom(to_timestamp(NOW))
    SUPPORT_ROWS.insert(kept.tx, SupportRow(row, ""), int(name), NOW)


def later(kept: Archive, now: datetime) -> None:
    """Fires the timers of indexes and of ended faults that are due."""
    handlers = {
        INDEX_TIMER: lambda tx, timer, at: indexes_are_due(tx, kept.registry, timer.subject, at),
        STATUS_TIMER: lambda tx, timer, at: status_is_due(tx, kept.registry, timer, at),
        FAULTS.ended_timer: lambda tx, timer, at: record_has_ended(tx, kept.registry, FAULTS, timer, at),
    }
    for timer in due_timers(kept.tx, now):
        if timer.kind in handlers:
            fire(kept.tx, timer, handlers, now)


def test_a_fault_that_ends_months_after_its_customers_erasure_is_destroyed_before_the_number_is_anothers(
    kept: Archive,
) -> None:
    customer_id = ended(kept, LINE.number)
    fault(kept, "1", LINE.number, "sichuan", FaultState.FAULT_STATE_IN_PROGRESS)
    erase(kept, customer_id)
    for days in range(30, 61):
        later(kept, NOW + days * DAY)
    row = find_fault(kept.tx, "sichuan/1")
    assert row is not None
    row.fault.state = FaultState.FAULT_STATE_CLOSED
    row.fault.version += 1
    update_fault(kept.tx, row.fault, NOW + 60 * DAY)
    later(kept, NOW + 60 * DAY)
    assert find_fault(kept.tx, "sichuan/1") is None
    assert is_number_in_use(kept.tx, LINE.number)
    later(kept, NOW + 61 * DAY)
    assert not is_number_in_use(kept.tx, LINE.number)
    assert found_in(kept, number_index(kept.tx, LINE.number)) == set()


def test_another_regions_report_of_an_erasure_ends_though_the_next_customer_of_the_number_has_an_order_here(
    kept: Archive,
) -> None:
    keep_known(kept.tx, PASSED, "guangdong", ERASED)
    forget_status_later(kept.tx, "guangdong", number_index(kept.tx, PASSED), NOW)
    order(kept, "1", "guangdong")
    later(kept, NOW + 29 * DAY)
    assert erased_by(kept.tx, PASSED) == {"guangdong"}
    later(kept, NOW + 30 * DAY)
    assert erased_by(kept.tx, PASSED) == set(), "complaints of the next customer are taken in again"
    assert find_order(kept.tx, "sichuan/counter/1") is not None


def test_an_erasure_leaves_what_belongs_to_the_customer_of_another_region_who_has_the_number_by_now(
    kept: Archive,
) -> None:
    customer_id = ended(kept, PASSED)
    for place, home in enumerate(("sichuan", "guangdong"), 1):
        order(kept, str(place), home)
        complaint(kept, str(place), home)
        fault(kept, str(place), PASSED, home, FaultState.FAULT_STATE_CLOSED)
        support(kept, str(place), home)
    erase(kept, customer_id)
    former, present = (
        [
            find_order(kept.tx, f"sichuan/counter/{each}"),
            find_complaint(kept.tx, f"sichuan/{each}"),
            find_fault(kept.tx, f"sichuan/{each}"),
            SUPPORT_RECORDS.read(kept.tx, f"sichuan/{each}"),
        ]
        for each in "12"
    )
    assert former == 4 * [None]
    assert None not in present


def use_by_somebody(kept: Archive, number: str) -> None:
    """Somebody is the contact of a complaint and a fault by a number, and names a wrong code for it."""
    name_as_contacts(kept, number)
    note_wrong_answer(kept.tx, Asker(number_index(kept.tx, number), "guangdong", "counter"), [], NOW)


def uses(kept: Archive, number: str) -> set[str]:
    return found_in(kept, number_index(kept.tx, number)) & {"complaints", "faults", "wrong_answers"}


def test_an_erasure_leaves_what_hangs_on_the_number_alone_to_the_customer_who_has_it_by_now(kept: Archive) -> None:
    customer_id = ended(kept, PASSED)
    use_by_somebody(kept, PASSED)
    erase(kept, customer_id)
    assert uses(kept, PASSED) == {"complaints", "faults", "wrong_answers"}
    later(kept, NOW + 30 * DAY)
    assert uses(kept, PASSED) == {"complaints", "faults", "wrong_answers"}


def test_an_erasure_removes_what_hangs_on_a_number_that_nobody_else_has(kept: Archive) -> None:
    customer_id = ended(kept, LINE.number)
    use_by_somebody(kept, LINE.number)
    erase(kept, customer_id)
    assert uses(kept, LINE.number) == set()


@pytest.mark.parametrize(("number", "left"), [(PASSED, 3), (LINE.number, 0)], ids=["passed", "kept"])
def test_an_erasure_repeated_after_a_restore_leaves_the_same(kept: Archive, number: str, left: int) -> None:
    customer_id = ended(kept, number)
    use_by_somebody(kept, number)
    subjects = [customer_subject(customer_id), number_subject(kept.tx, number)]
    assert apply_erased(kept.tx, kept.registry, vault.key_ids_of(kept.tx, subjects), NOW)
    assert len(uses(kept, number)) == left


@pytest.mark.parametrize("is_another", [True, False])
def test_the_key_of_a_passed_number_is_destroyed_unless_its_next_customer_has_data_here(
    kept: Archive, *, is_another: bool
) -> None:
    customer_id, subject = ended(kept, PASSED), number_subject(kept.tx, PASSED)
    home = "guangdong" if is_another else "sichuan"
    file = StoredFile("sichuan/counter/paper", subject, number_index(kept.tx, PASSED), "", 1, 1, REGISTERED, home)
    insert_file(kept.tx, file, DocumentUpload().SerializeToString(), NOW)
    erase(kept, customer_id)
    assert bool(vault.key_ids_of(kept.tx, [subject])) == is_another
