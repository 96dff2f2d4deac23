"""Complaints told by their columns alone: lists for those above, also of what nobody can read any more."""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta

import pytest

from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.store import vault
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteTransaction
from gateway.store.sqlite_schema import apply
from gateway.time.clock import from_timestamp, to_microseconds, to_timestamp
from region_node.care.complaints import rules
from region_node.care.complaints.deadlines import meet
from region_node.care.complaints.figure_rows import counted_page
from region_node.care.complaints.headers import HeaderFilter, header_of, list_headers
from region_node.care.complaints.keeping import add_complaint, change_complaint
from region_node.care.complaints.rows import (
    ComplaintRow,
    complaint_subject,
    find_complaint,
)
from region_node.schema import PACKAGES
from tests.keys import region_keys
from tests.unit.complaint_scene import DAY, HOUR, at, complaint, duration

NOW = at("2026-03-02 10:00")


@pytest.fixture(name="tx")
def transaction_of_a_region() -> Iterator[SqliteTransaction]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    apply(connection, migrations_of(*PACKAGES))
    yield SqliteTransaction(connection, region_keys())
    connection.close()


def kept(tx: SqliteTransaction, number: int, *, hours: float = 24, category: str = "BILL_WRONG") -> Complaint:
    """A complaint with a number, filed as many minutes ago, that is to be resolved so many hours after."""
    found = complaint(NOW - timedelta(minutes=number), (rules.RESOLVE, duration(hours)))
    found.docket = f"guangdong/{number}"
    found.request.category, found.request.number = category, "+8613800000000"
    found.department.zh_cn, found.department.en = "计费账务部", "Billing"
    add_complaint(tx, ComplaintRow(found, ""), number, NOW)
    return found


def dockets(tx: SqliteTransaction, wanted: HeaderFilter, limit: int = 10) -> list[str]:
    return [each.docket for each in list_headers(tx, wanted, limit)]


def test_columns_tell_what_the_complaint_itself_does(tx: SqliteTransaction) -> None:
    found = kept(tx, 1)
    assert list_headers(tx, HeaderFilter(NOW), 10) == [header_of(found)]
    meet(found, (rules.RESOLVE,), NOW)
    found.owner_region, found.version, found.level = "henan", 2, 3
    found.request.category = "NET_SPEED"
    change_complaint(tx, found, NOW)
    assert list_headers(tx, HeaderFilter(NOW), 10) == [header_of(found)]
    assert not header_of(found).HasField("due")


def test_lists_are_narrowed_by_time_category_level_and_end(tx: SqliteTransaction) -> None:
    late, soon, unclassified, ended = (
        kept(tx, 30, hours=0.25),
        kept(tx, 20, hours=3),
        kept(tx, 10, category=""),
        kept(tx, 5),
    )
    later = NOW + HOUR
    assert dockets(tx, HeaderFilter(NOW)) == [each.docket for each in (ended, unclassified, soon, late)]
    assert dockets(tx, HeaderFilter(NOW), 1) == [ended.docket]
    assert dockets(tx, HeaderFilter(NOW, overdue=True)) == [late.docket]
    assert dockets(tx, HeaderFilter(NOW, due_within=4 * HOUR)) == [soon.docket]
    assert dockets(tx, HeaderFilter(later, due_within=DAY)) == [soon.docket, unclassified.docket, ended.docket]
    assert dockets(tx, HeaderFilter(later + DAY, overdue=True)) == [
        each.docket for each in (late, soon, unclassified, ended)
    ]
    assert dockets(tx, HeaderFilter(NOW, unclassified=True)) == [unclassified.docket]
    ended.state = rules.CANCELLED
    change_complaint(tx, ended, NOW)
    assert ended.docket not in dockets(tx, HeaderFilter(NOW))
    assert ended.docket in dockets(tx, HeaderFilter(NOW, include_ended=True))
    soon.level = 4
    change_complaint(tx, soon, NOW)
    assert [dockets(tx, HeaderFilter(NOW, level=level)) for level in (2, 4, 5)] == [[soon.docket], [soon.docket], []]
    assert len(dockets(tx, HeaderFilter(NOW, level=1))) == 3
    assert dockets(tx, HeaderFilter(NOW, category="BILL_WRONG")) == [soon.docket, late.docket]
    assert dockets(tx, HeaderFilter(NOW, category="BILL_WRONG", level=3, overdue=True)) == []


def test_what_nobody_can_read_any_more_stays_counted(tx: SqliteTransaction) -> None:
    found = kept(tx, 1)
    vault.destroy(tx, [complaint_subject(found.docket)])
    tx.subject_keys.clear()
    assert find_complaint(tx, found.docket) is None
    start = to_microseconds(NOW - DAY)
    (counted,) = counted_page(tx, "sichuan", start, to_microseconds(NOW), (start, ""), 10)
    assert (counted.docket, counted.category, counted.level) == (found.docket, "BILL_WRONG", 1)
    assert dockets(tx, HeaderFilter(NOW)) == [found.docket]
    assert to_timestamp(from_timestamp(found.creation_date)) == list_headers(tx, HeaderFilter(NOW), 1)[0].creation_date
