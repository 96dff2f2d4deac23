"""Room for the cases of a region: ends always have it, and nothing grows beyond the share by ends and reopenings."""

import asyncio
from datetime import timedelta

import pytest

from coordinator.cases.room import past
from coordinator.registry import shares
from coordinator.registry.case_room import charge_of, charges_of, has_room, take_left
from coordinator.registry.tally import Tally
from gateway.api.region.v1.case_service_pb2 import CaseHeader
from gateway.api.region.v1.complaint_pb2 import WorkItem
from gateway.time.clock import to_timestamp
from tests.unit.network_events import NOON

KIB = 1024


@pytest.fixture(autouse=True)
def small_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "CASES", 32 * KIB)


def case(number: int, *, kib: int = 0, ended: bool = False) -> CaseHeader:
    """A case that ended so many minutes after noon, of so many KiB."""
    items = [WorkItem(number=1, region="henan")] * (kib * KIB // WorkItem(number=1, region="henan").ByteSize())
    end = to_timestamp(NOON + number * timedelta(minutes=1)) if ended else None
    return CaseHeader(ticket_id=f"sichuan/20261201-{number:02}", version=1, items=items, end_time=end)


def full() -> Tally:
    tally = Tally()
    tally.take(charges_of(case(each) for each in range(16)), tally.mark())
    return tally


def test_a_full_share_has_room_for_ends_and_small_changes_and_for_nothing_larger() -> None:
    assert has_room(full(), case(1, ended=True), case(1))
    assert has_room(full(), case(1, kib=1), case(1))
    assert has_room(full(), case(1, kib=2, ended=True), case(1)), "an end that takes a unit more"
    assert not has_room(full(), case(1, kib=2), case(1))
    assert not has_room(full(), case(1, kib=9, ended=True), case(1))
    assert not has_room(full(), case(1, kib=9, ended=True), case(1, ended=True))
    assert not has_room(full(), case(17), None)
    assert not has_room(full(), case(17, ended=True), None)


def test_a_case_is_reopened_only_where_the_share_has_room() -> None:
    assert not has_room(full(), case(1), case(1, ended=True))
    assert has_room(Tally(), case(1), case(1, ended=True))


def test_of_a_crowded_region_the_oldest_ended_cases_go() -> None:
    cases = [case(each, ended=each not in (0, 2)) for each in range(16)]
    assert past(cases, NOON + timedelta(hours=1)) == [cases[1], *cases[3:6]]
    assert past(cases[:14], NOON + timedelta(hours=1)) == []
    assert past([case(1, ended=True)], NOON + timedelta(days=31)) == [case(1, ended=True)]


def test_a_tally_takes_in_a_count_and_keeps_the_writes_since_its_read() -> None:
    tally = Tally()
    tally.note("sichuan", 20)
    mark = tally.mark()
    tally.note("sichuan", 10)
    tally.take({"sichuan": 70}, mark)
    assert tally.has_room("sichuan", 0, 80)
    assert not tally.has_room("sichuan", 1, 80)
    assert tally.has_room("henan", 80, 80)
    tally.take_one("sichuan", 50, tally.mark())
    assert tally.has_room("sichuan", 30, 80)
    assert not tally.has_room("sichuan", 31, 80)


@pytest.mark.parametrize("region", ["", "sichuan"])
def test_a_count_whose_read_began_earlier_does_not_replace_a_later_one(region: str) -> None:
    tally = Tally()
    earlier = tally.mark()
    tally.note("sichuan", 40)
    take_left(tally, [case(each) for each in range(3)], "", tally.mark())
    take_left(tally, [], region, earlier)
    three = 3 * charge_of(case(0))
    assert tally.has_room("sichuan", 1, three + 1)
    assert not tally.has_room("sichuan", 1, three)


def test_a_count_of_all_whose_read_began_earlier_does_not_replace_a_later_one_of_a_region() -> None:
    tally = Tally()
    earlier = tally.mark()
    tally.take_one("sichuan", 50, tally.mark())
    tally.take({"sichuan": 70, "henan": 70}, earlier)
    assert tally.has_room("sichuan", 30, 80)
    assert not tally.has_room("henan", 11, 80)


def test_a_registry_is_counted_at_the_start_and_after_an_eighth_of_a_share_once_for_all_who_wait() -> None:
    tally, counts = Tally(), list[int]()

    async def count() -> dict[str, int]:
        counts.append(1)
        await asyncio.sleep(0)
        return {"sichuan": 8}

    async def scenario() -> None:
        await asyncio.gather(*(tally.refresh("sichuan", 80, count) for _ in range(9)))
        assert len(counts) == 1
        tally.note("sichuan", 10)
        await tally.refresh("sichuan", 80, count)
        assert len(counts) == 1
        tally.note("sichuan", 1)
        await tally.refresh("sichuan", 80, count)
        assert len(counts) == 2

    asyncio.run(scenario())
