"""Bulletins of a region to others: who receives, reads and has not read one."""

from datetime import timedelta

import pytest

from gateway.api.coordinator.v1 import bulletin_service_pb2 as overseen
from gateway.api.coordinator.v1.bulletin_service_pb2_grpc import BulletinServiceStub
from gateway.api.region.v1.bulletin_pb2 import BulletinContent, BulletinState
from tests.federation.bulletin_staff import BulletinStaff
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation


@pytest.fixture(name="south")
def where_they_are_published(federation: Federation) -> BulletinStaff:
    return BulletinStaff(federation, "guangdong")


@pytest.mark.clause("10.3(3)")
async def test_a_bulletin_is_read_in_each_addressed_region_and_its_region_knows_who_has_not(
    federation: Federation, south: BulletinStaff
) -> None:
    published = await south.publishes("sichuan:wang,li", "henan")
    wang, li, north = (
        BulletinStaff(federation, "sichuan"),
        BulletinStaff(federation, "sichuan", "li"),
        BulletinStaff(federation, "henan"),
    )
    await wang.has(published.id)
    assert published.id in [each.id for each in await wang.listed(unread=True)]
    first = await wang.reads(published.id)
    assert first.bulletin == published
    assert (await wang.reads(published.id)).read_time == first.read_time, "the first reading counts"
    assert published.id not in [each.id for each in await wang.listed(unread=True)]
    assert published.id in [each.id for each in await li.listed(unread=True)]
    (own,) = await wang.readers(published.id)
    assert (own.region, list(own.missing_staff_ids), own.complete) == ("sichuan", ["li"], False)
    await north.has(published.id)
    await north.reads(published.id)
    assert [each.staff_id for each in (await south.is_read(published.id, "henan")).readings] == ["wang"]
    await li.reads(published.id)
    assert {each.staff_id for each in (await south.is_read(published.id, "sichuan")).readings} == {"wang", "li"}


async def test_a_bulletin_to_all_regions_reaches_each_and_is_withdrawn_everywhere_by_its_region_alone(
    federation: Federation, south: BulletinStaff
) -> None:
    published = await south.publishes()
    assert {"guangdong", "sichuan", "henan"} <= set(published.regions)
    for region in ("sichuan", "henan"):
        other = BulletinStaff(federation, region)
        await other.has(published.id)
        assert (await refusal(other.withdraws(published.id))).reason == "BULLETIN_NOT_PUBLISHED_HERE"
    withdrawn = await south.withdraws(published.id)
    assert withdrawn == await south.withdraws(published.id)
    assert withdrawn.state == BulletinState.BULLETIN_STATE_WITHDRAWN
    west = BulletinStaff(federation, "sichuan")
    await west.has(published.id, version=2)
    assert published.id not in [each.id for each in await west.listed(unread=True)]


async def test_a_region_that_is_not_addressed_knows_nothing_of_a_bulletin(
    federation: Federation, south: BulletinStaff
) -> None:
    published = await south.publishes("sichuan")
    await BulletinStaff(federation, "sichuan").has(published.id)
    north = BulletinStaff(federation, "henan")
    for step, reason in (
        (north.reads(published.id), "BULLETIN_NOT_FOUND"),
        (north.readers(published.id), "BULLETIN_NOT_FOUND"),
        (north.withdraws(published.id), "BULLETIN_NOT_FOUND"),
        (south.hand_in(BulletinContent()), "REQUEST_INVALID"),
        (south.publishes("nowhere"), "REGION_UNKNOWN"),
        (south.hand_in(south.content(within=timedelta(days=-1))), "REQUEST_INVALID"),
    ):
        assert (await refusal(step)).reason == reason
    used = federation.next_id()
    content = south.content("henan")
    once = await south.hand_in(content, used)
    assert once == await south.hand_in(content, used)


@pytest.mark.clause("10.3(3)")
async def test_administrators_publish_bulletins_through_a_region_and_see_who_has_read_them(
    federation: Federation,
) -> None:
    service = BulletinServiceStub(federation.dial_coordinator("admin/root"))
    west = BulletinStaff(federation, "sichuan")
    asked = overseen.PublishBulletinRequest(
        request_id=federation.next_id(), region="henan", content=west.content("sichuan", "guangdong")
    )
    published = (await service.PublishBulletin(asked, timeout=CALL_SECONDS)).bulletin
    assert (published.regions, published.complete_regions) == (2, 0)
    await west.has(published.id)
    told = (await west.reads(published.id)).bulletin
    assert (told.origin_region, told.operator) == ("henan", "admin/root")
    await BulletinStaff(federation, "henan").is_read(published.id, "sichuan")
    question = overseen.ListBulletinReadersRequest(bulletin_id=published.id)
    readers = (await service.ListBulletinReaders(question, timeout=CALL_SECONDS)).readers
    assert {each.region: each.complete for each in readers} == {"sichuan": True, "guangdong": False}
    listed = await service.ListBulletinHeaders(overseen.ListBulletinHeadersRequest(page_size=500), timeout=CALL_SECONDS)
    assert [each.complete_regions for each in listed.bulletins if each.id == published.id] == [1]
    unknown = service.ListBulletinReaders(
        overseen.ListBulletinReadersRequest(bulletin_id="nowhere/B1-1"), timeout=CALL_SECONDS
    )
    assert (await refusal(unknown)).reason == "BULLETIN_NOT_FOUND"
