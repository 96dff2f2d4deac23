"""Support requests opened in one region and worked on by the one at fault; experts and spares of all regions."""

from datetime import timedelta

import pytest

from gateway.api.region.v1 import support_resource_service_pb2 as registry_api
from gateway.api.region.v1.support_request_pb2 import SupportFigure, SupportInquiry
from gateway.time.clock import from_timestamp
from tests.federation.counter import Counter
from tests.federation.probe import Probe, measured
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, until
from tests.federation.support_staff import (
    ACKNOWLEDGED,
    CLOSED,
    IN_PROGRESS,
    LINK,
    NORTHERN_LINK,
    NORTHERN_SERVICE,
    RESOLVED,
    SERVICE,
    SupportStaff,
)
from tests.federation.test_erasure import end_line
from tests.federation.test_erasure_of_complaints import keys


@pytest.fixture(name="south")
def where_they_are_opened(federation: Federation) -> SupportStaff:
    return SupportStaff(federation, "guangdong")


@pytest.fixture(name="west")
def staff_of_the_region_at_fault(federation: Federation) -> SupportStaff:
    return SupportStaff(federation, "sichuan")


@pytest.mark.clause("9.3(3)", "10.2(4)")
async def test_a_support_request_goes_to_the_region_at_fault_which_resolves_it_and_is_closed_where_it_was_opened(
    federation: Federation, south: SupportStaff, west: SupportStaff
) -> None:
    number = federation.next_number("guangdong")
    opened = await south.open(number, link=LINK)
    assert opened.id.startswith("guangdong/S")
    assert (opened.owner_region, opened.origin_region, opened.state) == ("sichuan", "guangdong", ACKNOWLEDGED)
    finding = opened.finding
    assert (finding.region, finding.link, finding.figure) == ("sichuan", LINK, SupportFigure.SUPPORT_FIGURE_DELAY)
    assert (finding.measured, finding.share) == (250_000, 100_000)
    taken = await south.is_taken(opened.id)
    assert taken == await west.get(opened.id)
    await west.takes_up(opened.id)
    await west.notes(opened.id, "光模块过热")
    await south.follows(opened.id, lambda each: len(each.notes) == 1, "the note of the region at fault")
    await south.notes(opened.id, "客户在十点再试")
    await west.resolves(opened.id)
    await south.reaches(opened.id, RESOLVED)
    assert (await south.reopens(opened.id)).state == IN_PROGRESS
    await west.resolves(opened.id)
    await south.reaches(opened.id, RESOLVED)
    closed = await south.closes(opened.id)
    assert (closed.state, closed.resolution) == (CLOSED, "更换光模块")
    assert closed == await west.get(opened.id) == await south.get(opened.id)
    assert [each.author for each in closed.notes] == ["sichuan/wang", "guangdong/wang"]
    assert [each.state for each in closed.state_changes] == [
        ACKNOWLEDGED,
        IN_PROGRESS,
        RESOLVED,
        IN_PROGRESS,
        RESOLVED,
        CLOSED,
    ]
    assert await west.list(number) == await south.list(number) == [opened.id]


async def test_the_region_that_maintains_the_link_is_at_fault_else_the_one_that_runs_the_service(
    federation: Federation, south: SupportStaff
) -> None:
    number = federation.next_number("henan")
    assert (await south.open(number, service=NORTHERN_SERVICE, link=NORTHERN_LINK)).owner_region == "henan"
    own = await south.open(number, service=NORTHERN_SERVICE)
    assert (own.owner_region, own.version, own.finding.link) == ("guangdong", 1, "")
    await south.takes_up(own.id)
    await south.notes(own.id, "自查")
    await south.resolves(own.id)
    assert (await south.closes(own.id)).state == CLOSED


async def test_each_region_does_its_own_part_and_others_know_nothing(
    federation: Federation, south: SupportStaff, west: SupportStaff
) -> None:
    opened = await south.open(federation.next_number("sichuan"), link=LINK)
    await south.is_taken(opened.id)
    for step, reason in (
        (south.takes_up(opened.id), "SUPPORT_NOT_RESPONSIBLE"),
        (south.resolves(opened.id), "SUPPORT_NOT_RESPONSIBLE"),
        (west.closes(opened.id), "SUPPORT_NOT_OPENED_HERE"),
        (south.closes(opened.id), "SUPPORT_STATE_FORBIDS"),
        (SupportStaff(federation, "henan").notes(opened.id, "?"), "SUPPORT_REQUEST_NOT_FOUND"),
        (SupportStaff(federation, "sichuan", "operator/counter").get(opened.id), "SUPPORT_REQUEST_NOT_FOUND"),
        (south.hand_in(SupportInquiry(number=opened.inquiry.number)), "REQUEST_INVALID"),
        (south.open(opened.inquiry.number, link=NORTHERN_LINK), "SUPPORT_LINK_NOT_OF_SERVICE"),
        (south.open(opened.inquiry.number, service="none"), "NETWORK_SERVICE_UNKNOWN"),
    ):
        assert (await refusal(step)).reason == reason
    counter = SupportStaff(federation, "guangdong", "operator/counter")
    assert (await refusal(counter.get(opened.id))).reason == "SUPPORT_REQUEST_NOT_FOUND", "staff opened it"
    assert (await counter.get((await counter.open(opened.inquiry.number)).id)).operator == "counter"


async def test_the_home_region_of_the_number_follows_whoever_opens_it_and_whoever_is_at_fault(
    federation: Federation, south: SupportStaff, west: SupportStaff
) -> None:
    number, home = federation.next_number("henan"), SupportStaff(federation, "henan")
    opened = await south.open(number, link=LINK)
    known = await home.is_taken(opened.id)
    assert (known.home_region, known.owner_region, known.origin_region) == ("henan", "sichuan", "guangdong")
    await west.takes_up(opened.id)
    await west.notes(opened.id, "光模块过热")
    await south.follows(opened.id, lambda each: len(each.notes) == 1, "the note of the region at fault")
    await south.notes(opened.id, "客户在十点再试")
    assert (await home.follows(opened.id, lambda each: len(each.notes) == 2, "both notes")) == await west.get(opened.id)
    assert (await refusal(home.notes(opened.id, "?"))).reason == "SUPPORT_NOT_OPENED_HERE"
    assert (await refusal(home.resolves(opened.id))).reason == "SUPPORT_NOT_OPENED_HERE"
    await west.resolves(opened.id)
    await south.reaches(opened.id, RESOLVED)
    await south.closes(opened.id)
    await home.reaches(opened.id, CLOSED)
    assert await home.list(number) == [opened.id]
    own = await south.open(number, service=NORTHERN_SERVICE)
    assert (await home.is_taken(own.id)).owner_region == "guangdong"
    assert federation.texts(number, sent_by="henan") == []


async def test_the_same_request_is_done_once(federation: Federation, south: SupportStaff, west: SupportStaff) -> None:
    number, request_id, note_id = federation.next_number("sichuan"), federation.next_id(), federation.next_id()
    inquiry = south.inquiry(number, SERVICE, LINK)
    first = await south.hand_in(inquiry, request_id)
    assert (await south.hand_in(inquiry, request_id)).id == first.id
    inquiry.subject = "别的"
    assert (await refusal(south.hand_in(inquiry, request_id))).reason == "REQUEST_ID_REUSED"
    for _ in range(2):
        await south.notes(first.id, "再看一次", note_id)
    assert len((await west.get(first.id)).notes) == 1
    assert await south.list(number) == [first.id]


@pytest.mark.clause("9.1(2)")
async def test_a_support_request_waits_for_a_region_that_is_away_and_experts_of_others_are_found_meanwhile(
    federation: Federation, south: SupportStaff, west: SupportStaff
) -> None:
    await south.enters("li", "optical-transport")
    await west.enters("zhao", "optical-transport", "ip-routing")
    await federation.stop_node("sichuan")
    try:
        opened = await south.open(federation.next_number("guangdong"), link=LINK)
        noted = await south.work_without_waiting(opened.id, "等待对方")
        assert (noted.version, list(noted.notes)) == (0, [])
        found = await south.finds(skill="optical-transport")
        assert [(each.region, each.staff_id) for each in found.experts] == [("guangdong", "li")]
        assert "sichuan" in [each.region for each in found.unanswered]
    finally:
        await federation.start_node("sichuan")
    known = await south.follows(opened.id, lambda each: len(each.notes) == 1, "taken, with its note")
    assert known == await west.get(opened.id)


async def test_what_the_regions_have_measured_goes_along_and_says_which_one_is_at_fault(
    federation: Federation, south: SupportStaff, west: SupportStaff
) -> None:
    """Sichuan maintains the link and is believed; Guangdong has its other end."""
    await federation.advance(timedelta(hours=3))
    start = federation.clock.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    for region, delay in (("sichuan", 180_000), ("guangdong", 20_000)):
        await Probe(federation, region, federation.next_id()).send([measured(start, delay=delay)])
    wanted, request_id = south.inquiry(federation.next_number("guangdong")), federation.next_id()
    told = await south.measures(wanted, request_id)
    (found,) = [each for each in told.request.inquiry.measurements if each.link == LINK]
    assert found.delay_us == 180_000
    assert (from_timestamp(found.start_time), list(told.unanswered)) == (start, [])
    assert (told.request.finding.region, told.request.finding.link) == ("sichuan", LINK)
    assert (await south.is_taken(told.request.id)) == await west.get(told.request.id)
    await Probe(federation, "sichuan", federation.next_id()).send([measured(start, delay=900_000)])
    again = await south.measures(wanted, request_id)
    assert again.request.id == told.request.id
    assert (await refusal(south.hand_in(wanted, request_id))).reason == "REQUEST_ID_REUSED"
    named = await south.measures(south.inquiry(federation.next_number("guangdong"), link=LINK))
    assert [each.delay_us for each in named.request.inquiry.measurements if each.link == LINK] == [250_000]


async def test_a_request_is_opened_without_the_measurements_of_a_region_that_is_away(
    federation: Federation, south: SupportStaff
) -> None:
    await federation.advance(timedelta(hours=3))
    start = federation.clock.now().replace(minute=0, second=0, microsecond=0)
    await Probe(federation, "guangdong", federation.next_id()).send([measured(start, delay=190_000)])
    await federation.stop_node("sichuan")
    try:
        told = await south.measures(south.inquiry(federation.next_number("guangdong")))
        assert "sichuan" in [each.region for each in told.unanswered]
        assert [each.delay_us for each in told.request.inquiry.measurements if each.link == LINK] == [190_000]
    finally:
        await federation.start_node("sichuan")
    await south.is_taken(told.request.id)


async def test_the_customer_is_told_that_a_request_was_taken_in_and_each_time_that_it_is_resolved(
    federation: Federation, south: SupportStaff, west: SupportStaff
) -> None:
    number = federation.next_number("guangdong")
    opened = await south.open(number, link=LINK)
    await south.is_taken(opened.id)
    await west.resolves(opened.id)
    await south.reaches(opened.id, RESOLVED)
    await south.reopens(opened.id)
    await west.resolves(opened.id)
    await south.reaches(opened.id, RESOLVED)

    async def is_told() -> bool:
        said = [text.zh_cn for text in federation.texts(number, sent_by="guangdong")]
        return [sum(words in each for each in said) for words in ("已受理", "已处理完毕")] == [1, 2]

    await until(is_told, "the customer was told by the region that opened it")
    assert federation.texts(number, sent_by="sichuan") == []


@pytest.mark.clause("9.1(1)", "9.2(4)")
async def test_experts_are_found_by_skill_and_place_in_all_regions(
    federation: Federation, south: SupportStaff, west: SupportStaff
) -> None:
    await south.enters("chen", "microwave", sites=("chengdu", "guangzhou"))
    await west.enters("he", "microwave", "power")
    await west.enters("luo", "microwave", sites=("xichang",))
    found = await SupportStaff(federation, "henan").finds(skill="microwave", site="chengdu")
    assert [(each.region, each.staff_id) for each in found.experts] == [("guangdong", "chen"), ("sichuan", "he")]
    assert [list(each.skills) for each in found.experts] == [["microwave"], ["microwave", "power"]]
    assert list(found.unanswered) == []
    removed = registry_api.RemoveExpertRequest(staff_id="he")
    await west.registry.RemoveExpert(removed, timeout=CALL_SECONDS)
    found = await south.finds(skill="microwave", site="chengdu")
    assert [each.staff_id for each in found.experts] == ["chen"]
    again = west.registry.RemoveExpert(removed, timeout=CALL_SECONDS)
    assert (await refusal(again)).reason == "SUPPORT_ENTRY_NOT_FOUND"
    for wrong in (south.enters("chen"), south.enters("chen", "No Code"), south.enters("a b", "power")):
        assert (await refusal(wrong)).reason == "REQUEST_INVALID"
    for unknown in (south.enters("chen", "power", sites=("atlantis",)), south.finds(site="atlantis")):
        assert (await refusal(unknown)).reason == "SITE_UNKNOWN"


@pytest.mark.clause("10.3(3)")
async def test_spares_of_all_regions_are_found_by_part_model_and_site(
    federation: Federation, south: SupportStaff, west: SupportStaff
) -> None:
    await south.stores("SFP-10G-LR", "10G optical module", "guangzhou", 12)
    await west.stores("SFP-10G-LR", "10G optical module", "chengdu", 3)
    await west.stores("SFP-10G-LR", "10G optical module", "chengdu", 2)
    await west.stores("PSU-48", "48V power supply", "chengdu", 1)
    henan = SupportStaff(federation, "henan")
    found = await henan.looks_for(model="optical")
    assert [(each.region, each.site, each.count) for each in found.spares] == [
        ("guangdong", "guangzhou", 12),
        ("sichuan", "chengdu", 2),
    ]
    assert [each.part_number for each in (await henan.looks_for(site="chengdu", part_number="PSU-48")).spares] == [
        "PSU-48"
    ]
    assert list((await henan.looks_for(everywhere=False)).spares) == []
    every = (await henan.looks_for()).spares
    told, request = list[registry_api.Spare](), registry_api.ListSparesRequest(everywhere=True, page_size=1)
    while True:
        page = await henan.registry.ListSpares(request, timeout=CALL_SECONDS)
        told += page.spares
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    assert (len(every), told) == (3, list(every))
    removed = registry_api.RemoveSpareRequest(part_number="PSU-48", site="chengdu")
    await west.registry.RemoveSpare(removed, timeout=CALL_SECONDS)
    assert (await refusal(west.registry.RemoveSpare(removed, timeout=CALL_SECONDS))).reason == "SUPPORT_ENTRY_NOT_FOUND"
    assert (await refusal(west.stores("PSU-48", "电源", "chengdu", 1))).reason == "REQUEST_INVALID"
    assert (await refusal(west.stores("PSU-48", "48V", "guangzhou", 1))).reason == "REQUEST_INVALID"


async def test_what_is_known_of_a_support_request_of_an_erased_customer_is_destroyed_everywhere_once_it_is_closed(
    federation: Federation, sichuan: Counter
) -> None:
    number, south, north = (
        await sichuan.new_customer(balance=0),
        SupportStaff(federation, "guangdong"),
        SupportStaff(federation, "henan"),
    )
    ended, still_open = [await south.open(number, service=NORTHERN_SERVICE, link=NORTHERN_LINK) for _ in range(2)]
    for each in (ended, still_open):
        await south.is_taken(each.id)
        await north.resolves(each.id)
        await south.reaches(each.id, RESOLVED)
    await south.closes(ended.id)
    end_line(federation, number)
    await sichuan.erase(number)

    async def are_gone(support_id: str) -> bool:
        return not any(keys(federation, region, f"support/{support_id}") for region in ("guangdong", "henan"))

    await until(lambda: are_gone(ended.id), "nobody can read it any more")
    assert (await refusal(north.get(ended.id))).reason == "SUPPORT_REQUEST_NOT_FOUND"
    assert (await north.get(still_open.id)).inquiry.number == number
    await south.closes(still_open.id)
    await until(lambda: are_gone(still_open.id), "nobody can read the other one any more")


async def test_no_support_request_of_a_restricted_customer_is_shown_or_taken_in(
    federation: Federation, sichuan: Counter, west: SupportStaff
) -> None:
    number = await sichuan.new_customer(balance=0)
    opened = await west.open(number)
    await sichuan.restrict(number)
    for call in (west.get(opened.id), west.resolves(opened.id), west.open(number)):
        assert (await refusal(call)).reason == "CUSTOMER_RESTRICTED"
    assert await west.list(number) == []
    await sichuan.release(number)
    assert await west.list(number) == [opened.id]
