"""Complaints by their columns alone: lists for the escalation recipients, also of unreadable ones."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import pytest

from gateway.api.region.v1.complaint_oversight_service_pb2 import ComplaintHeader
from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.rpc.pages import dated_place, ticket_key
from gateway.store import vault
from gateway.store.sqlite import SqliteTransaction
from gateway.time.clock import from_timestamp, to_microseconds, to_timestamp
from region_node.care.complaints import rules
from region_node.care.complaints.deadlines import meet
from region_node.care.complaints.figure_rows import Filed, counted_page
from region_node.care.complaints.headers import HeaderFilter, header_of, list_headers
from region_node.care.complaints.keeping import add_complaint, change_complaint
from region_node.care.complaints.rows import (
    ComplaintRow,
    complaint_subject,
    find_complaint,
)
from region_node.schema import PACKAGES
from tests.empty_database import empty_database
from tests.keys import region_keys
from tests.unit.complaint_scene import DAY, HOUR, at, complaint, duration

NOW = at("2026-03-02 10:00")


@pytest.fixture(name="tx")
def transaction_of_a_region() -> Iterator[SqliteTransaction]:
    connection = empty_database(*PACKAGES)
    yield SqliteTransaction(connection, region_keys())
    connection.close()


def kept(tx: SqliteTransaction, number: int, *, hours: float = 24, category: str = "BILL_WRONG") -> Complaint:
    """A complaint with a number, filed as many minutes ago, that is to be resolved so many hours after."""
    found = complaint(NOW - timedelta(minutes=number), (rules.RESOLVE, duration(hours)))
    found.ticket_id = f"guangdong/{number}"
    found.request.category, found.request.number = category, "+8613800000000"
    found.department.zh_cn, found.department.en = "计费账务部", "Billing"
    add_complaint(tx, ComplaintRow(found, ""), number, NOW)
    return found


def ticket_ids(tx: SqliteTransaction, wanted: HeaderFilter, limit: int = 10) -> list[str]:
    return [each.ticket_id for each in list_headers(tx, wanted, None, limit)]


def test_columns_tell_what_the_complaint_itself_does(tx: SqliteTransaction) -> None:
    found = kept(tx, 1)
    assert list_headers(tx, HeaderFilter(NOW), None, 10) == [header_of(found)]
    meet(found, (rules.RESOLVE,), NOW)
    found.owner_region, found.version, found.level = "henan", 2, 3
    found.request.category = "NET_SPEED"
    change_complaint(tx, found, NOW)
    assert list_headers(tx, HeaderFilter(NOW), None, 10) == [header_of(found)]
    assert not header_of(found).HasField("due_time")


def test_lists_are_narrowed_by_time_category_level_and_end(tx: SqliteTransaction) -> None:
    late, soon, unclassified, ended = (
        kept(tx, 30, hours=0.25),
        kept(tx, 20, hours=3),
        kept(tx, 10, category=""),
        kept(tx, 5),
    )
    later = NOW + HOUR
    assert ticket_ids(tx, HeaderFilter(NOW)) == [each.ticket_id for each in (ended, unclassified, soon, late)]
    assert ticket_ids(tx, HeaderFilter(NOW), 1) == [ended.ticket_id]
    assert ticket_ids(tx, HeaderFilter(NOW, overdue=True)) == [late.ticket_id]
    assert ticket_ids(tx, HeaderFilter(NOW, due_within=4 * HOUR)) == [soon.ticket_id]
    assert ticket_ids(tx, HeaderFilter(later, due_within=DAY)) == [
        soon.ticket_id,
        unclassified.ticket_id,
        ended.ticket_id,
    ]
    assert ticket_ids(tx, HeaderFilter(later + DAY, overdue=True)) == [
        each.ticket_id for each in (late, soon, unclassified, ended)
    ]
    assert ticket_ids(tx, HeaderFilter(NOW, unclassified=True)) == [unclassified.ticket_id]
    ended.state = rules.CANCELLED
    change_complaint(tx, ended, NOW)
    assert ended.ticket_id not in ticket_ids(tx, HeaderFilter(NOW))
    assert ended.ticket_id in ticket_ids(tx, HeaderFilter(NOW, include_ended=True))
    soon.level = 4
    change_complaint(tx, soon, NOW)
    assert [ticket_ids(tx, HeaderFilter(NOW, level=level)) for level in (2, 4, 5)] == [
        [soon.ticket_id],
        [soon.ticket_id],
        [],
    ]
    assert len(ticket_ids(tx, HeaderFilter(NOW, level=1))) == 3
    assert ticket_ids(tx, HeaderFilter(NOW, category="BILL_WRONG")) == [soon.ticket_id, late.ticket_id]
    assert ticket_ids(tx, HeaderFilter(NOW, category="BILL_WRONG", level=3, overdue=True)) == []


def test_a_list_of_what_goes_on_is_entered_by_an_index_without_what_has_ended(tx: SqliteTransaction) -> None:
    ended = ", ".join(str(each) for each in sorted(rules.FINAL))
    index = tx.first(str, "SELECT sql FROM sqlite_master WHERE name = 'complaints_open'")
    assert index is not None
    assert index.endswith(f"WHERE state NOT IN ({ended})"), "else SQLite does not use it"


def test_pages_give_each_complaint_once_in_either_order(tx: SqliteTransaction) -> None:
    for number in range(1, 8):
        kept(tx, number, hours=1 + number % 3)
    for wanted in (HeaderFilter(NOW, include_ended=True), HeaderFilter(NOW + DAY, overdue=True)):
        key = partial(ticket_key, by_due_time=wanted.is_about_time)
        told, after = list[ComplaintHeader](), dated_place("")
        while page := list_headers(tx, wanted, after, 3):
            told += page
            after = dated_place(key(page[-1]))
        assert told == list_headers(tx, wanted, None, 100)
        assert [key(each) for each in told] == sorted(map(key, told), reverse=not wanted.overdue)


def test_a_list_of_a_region_has_what_it_took_in_and_what_it_is_responsible_for(tx: SqliteTransaction) -> None:
    own, other = kept(tx, 1), kept(tx, 2)
    other.owner_region, other.version = "henan", 2
    change_complaint(tx, other, NOW)
    assert ticket_ids(tx, HeaderFilter(NOW, region="henan")) == [other.ticket_id]
    assert ticket_ids(tx, HeaderFilter(NOW, region=own.origin_region)) == [own.ticket_id, other.ticket_id]
    assert ticket_ids(tx, HeaderFilter(NOW, region="hunan")) == []


def test_what_nobody_can_read_any_more_stays_counted(tx: SqliteTransaction) -> None:
    found = kept(tx, 1)
    vault.destroy(tx, [complaint_subject(found.ticket_id)])
    tx.subject_keys.clear()
    assert find_complaint(tx, found.ticket_id) is None
    start = to_microseconds(NOW - DAY)
    (counted,) = counted_page(tx, Filed("sichuan", start, to_microseconds(NOW)), (start, ""), 10)
    assert (counted.ticket_id, counted.category, counted.level) == (found.ticket_id, "BILL_WRONG", 1)
    assert ticket_ids(tx, HeaderFilter(NOW)) == [found.ticket_id]
    (header,) = list_headers(tx, HeaderFilter(NOW), None, 1)
    assert to_timestamp(from_timestamp(found.create_time)) == header.create_time
