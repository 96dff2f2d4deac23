"""Bulletins without their edges: who has read one, page by page, and who is reminded of it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.api.region.v1.bulletin_pb2 import Bulletin, BulletinAddressee, BulletinContent, BulletinSeverity
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.store.timers import due_timers, fire
from gateway.time.clock import to_timestamp
from region_node.care.bulletins import operations, reminding, rules
from region_node.care.bulletins.reminding import BULLETIN_TIMER
from region_node.care.bulletins.rows import note_read, readers_page, update_bulletin
from region_node.requests.caller import Administrator
from tests.unit.purging import NOW, Archive, archive

DAY = timedelta(days=1)
BOTH = LocalizedText(zh_cn="割接", en="cut-over")


@pytest.fixture(name="node")
def a_node_with_a_sink() -> Iterator[Archive]:
    with archive() as node:
        node.context = replace(node.context, sinks={"file": 1})
        yield node


def published(node: Archive, *addressees: BulletinAddressee, number: int = 1) -> Bulletin:
    """A bulletin of this region, to be read within a day."""
    content = BulletinContent(
        severity=BulletinSeverity.BULLETIN_SEVERITY_URGENT,
        title=BOTH,
        text=BOTH,
        end_time=to_timestamp(NOW + 9 * DAY),
        read_by_time=to_timestamp(NOW + DAY),
        addressees=addressees,
    )
    return operations.publish(node.tx, node.context, Administrator("admin/root", f"R{number}", ""), content, NOW)


def reminded(node: Archive, by: timedelta) -> Sequence[RaisedComplaint]:
    """The notices after the timers that are due by then."""
    handlers = {BULLETIN_TIMER: lambda tx, timer, now: reminding.time_has_passed(tx, node.context, timer, now)}
    for timer in due_timers(node.tx, NOW + by):
        if timer.kind == BULLETIN_TIMER:
            fire(node.tx, timer, handlers, NOW + by)
    return node.tx.all(RaisedComplaint.FromString, "SELECT content FROM escalation_notices ORDER BY ticket_id")


@pytest.mark.clause("10.3(3)")
def test_thousands_of_readers_come_page_by_page_and_each_page_says_who_has_not_read_it(node: Archive) -> None:
    wanted = [BulletinAddressee(region=each) for each in ("chongqing", "guangdong", "henan")]
    wanted[1].staff_ids.extend(["s1", "zhao"])
    bulletin = published(node, *wanted, BulletinAddressee(region="sichuan"))
    for region, count in (("guangdong", 1_500), ("sichuan", 1_200)):
        for index in range(count):
            note_read(node.tx, bulletin.id, region, f"s{index}", NOW + timedelta(seconds=index % 7))
    read: dict[str, list[str]] = {}
    after, pages = "", 0
    while pages == 0 or after:
        readers, after = readers_page(node.tx, bulletin, "sichuan", 500, after)
        pages += 1
        assert sum(len(each.readings) for each in readers) <= 500
        for each in readers:
            read.setdefault(each.region, []).extend(told.staff_id for told in each.readings)
            missing = ["zhao"] if each.region == "guangdong" else []
            assert list(each.missing_staff_ids) == missing
            assert each.complete == (each.region == "sichuan")
    assert {region: len(staff) for region, staff in read.items()} == {
        "chongqing": 0,
        "guangdong": 1_500,
        "henan": 0,
        "sichuan": 1_200,
    }
    assert all(len(set(staff)) == len(staff) for staff in read.values())
    assert pages == 6


@pytest.mark.clause("10.3(3)")
def test_a_region_that_has_not_read_a_bulletin_in_time_reminds_its_person_on_duty_once(node: Archive) -> None:
    unread = published(node, BulletinAddressee(region="sichuan", staff_ids=["li"]), number=1)
    read = published(node, BulletinAddressee(region="sichuan"), number=2)
    withdrawn = published(node, BulletinAddressee(region="sichuan"), number=3)
    published(node, BulletinAddressee(region="henan"), number=4)
    note_read(node.tx, unread.id, "sichuan", "wang", NOW)
    note_read(node.tx, read.id, "sichuan", "wang", NOW)
    withdrawn.state = rules.WITHDRAWN
    update_bulletin(node.tx, withdrawn)
    assert list(reminded(node, DAY / 2)) == []
    for _ in range(2):
        (notice,) = reminded(node, DAY)
        assert (notice.ticket_id, notice.matter, notice.owner_region) == (unread.id, "bulletin-unread", "sichuan")
