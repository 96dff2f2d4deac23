"""The permitted messages between regions about support requests, and refused ones despite their signature."""

from collections.abc import Callable

import pytest

from gateway.api.region.v1.support_envelopes_pb2 import SupportCommand, SupportUpdate
from gateway.api.region.v1.support_request_pb2 import SupportRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.time.clock import to_timestamp
from tests.federation.forger import Forger, refused
from tests.federation.running import Federation
from tests.federation.support_staff import ACKNOWLEDGED, CLOSED, LINK, RESOLVED, SERVICE, SupportStaff

COMMAND = EnvelopeKind.ENVELOPE_KIND_SUPPORT_COMMAND
UPDATE = EnvelopeKind.ENVELOPE_KIND_SUPPORT_UPDATE


@pytest.fixture(name="henan")
def a_region_that_is_not_concerned(federation: Federation) -> Forger:
    return Forger(federation, "henan")


async def taken(federation: Federation) -> SupportRequest:
    """A support request opened in Guangdong that is in Sichuan."""
    south = SupportStaff(federation, "guangdong")
    return await south.is_taken((await south.open(federation.next_number("sichuan"), link=LINK)).id)


def fresh(federation: Federation) -> SupportRequest:
    """A support request as Henan would send it."""
    inquiry = SupportStaff(federation, "henan").inquiry(federation.next_number("henan"), SERVICE, LINK)
    inquiry.staff_id = "wang"
    opened = SupportRequest(
        id=f"henan/S{federation.next_id()}",
        inquiry=inquiry,
        origin_region="henan",
        owner_region="sichuan",
        operator="counter",
        create_time=to_timestamp(federation.clock.now()),
    )
    opened.state = ACKNOWLEDGED
    opened.state_changes.add(state=ACKNOWLEDGED, time=opened.create_time, author="henan/wang")
    return opened


async def test_only_the_region_at_fault_tells_how_a_support_request_stands(
    federation: Federation, henan: Forger
) -> None:
    known = await taken(federation)
    lie = SupportRequest()
    lie.CopyFrom(known)
    lie.version, lie.state = known.version + 5, RESOLVED
    for owner in ("sichuan", "henan"):
        lie.owner_region = owner
        envelope = henan.seal("guangdong", UPDATE, SupportUpdate(request=lie), known.id)
        assert refused(await henan.deliver(envelope, "guangdong")) == "ENVELOPE_KIND_NOT_ALLOWED"
    assert await SupportStaff(federation, "guangdong").get(known.id) == known


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda each: None, ""),
        (lambda each: setattr(each, "home_region", "guangdong"), "ENVELOPE_KIND_NOT_ALLOWED"),
        (lambda each: setattr(each.inquiry, "number", "+8613600000001"), "ENVELOPE_KIND_NOT_ALLOWED"),
        (lambda each: setattr(each, "origin_region", "guangdong"), "ENVELOPE_KIND_NOT_ALLOWED"),
        (lambda each: setattr(each, "id", f"guangdong/S{each.id.rpartition('S')[2]}"), "ENVELOPE_KIND_NOT_ALLOWED"),
        (lambda each: each.ClearField("create_time"), "ENVELOPE_INVALID"),
        (lambda each: each.inquiry.ClearField("subject"), "REQUEST_INVALID"),
    ],
)
async def test_a_home_region_follows_only_its_own_customer_and_by_the_region_that_may_have_it(
    federation: Federation, henan: Forger, spoil: Callable[[SupportRequest], None], reason: str
) -> None:
    told = fresh(federation)
    told.inquiry.number = federation.next_number("sichuan")
    told.version, told.home_region, told.owner_region = 1, "sichuan", "henan"
    spoil(told)
    envelope = henan.seal("sichuan", UPDATE, SupportUpdate(request=told), told.id)
    answer = await henan.deliver(envelope, "sichuan")
    assert (refused(answer) if reason else answer.HasField("receipt")) == (reason or True)


async def test_only_the_region_that_opened_it_closes_it_or_adds_to_it(federation: Federation, henan: Forger) -> None:
    known = await taken(federation)
    guangdong = Forger(federation, "guangdong")
    for command in (
        SupportCommand(support_request_id=known.id, staff_id="wang", close=SupportCommand.Close()),
        SupportCommand(support_request_id=known.id, staff_id="wang", note=SupportCommand.Note(text="forged")),
    ):
        envelope = henan.seal("sichuan", COMMAND, command, known.id)
        assert refused(await henan.deliver(envelope, "sichuan")) == "ENVELOPE_KIND_NOT_ALLOWED"
        other = guangdong.seal("sichuan", COMMAND, command, "guangdong/other")
        assert refused(await guangdong.deliver(other, "sichuan")) == "ENVELOPE_KIND_NOT_ALLOWED"
    assert await SupportStaff(federation, "sichuan").get(known.id) == known


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda each: setattr(each, "origin_region", "guangdong"), "ENVELOPE_KIND_NOT_ALLOWED"),
        (lambda each: setattr(each, "id", "guangdong/S1-1"), "ENVELOPE_KIND_NOT_ALLOWED"),
        (lambda each: setattr(each, "version", 3), "ENVELOPE_INVALID"),
        (lambda each: setattr(each, "state", CLOSED), "ENVELOPE_INVALID"),
        (lambda each: each.notes.add(author="sichuan/wang", text="forged"), "ENVELOPE_INVALID"),
        (lambda each: each.ClearField("create_time"), "ENVELOPE_INVALID"),
        (lambda each: each.inquiry.ClearField("subject"), "REQUEST_INVALID"),
        (lambda each: setattr(each.inquiry, "service", "none"), "NETWORK_SERVICE_UNKNOWN"),
        (lambda each: setattr(each.inquiry, "service", "broadband-guangzhou"), "SUPPORT_LINK_NOT_OF_SERVICE"),
    ],
)
async def test_one_that_is_opened_brings_no_decisions_along(
    federation: Federation, henan: Forger, spoil: Callable[[SupportRequest], None], reason: str
) -> None:
    opened = fresh(federation)
    subject = opened.id
    spoil(opened)
    command = SupportCommand(support_request_id=opened.id, staff_id="wang", open=opened)
    envelope = henan.seal("sichuan", COMMAND, command, subject)
    assert refused(await henan.deliver(envelope, "sichuan")) == reason


async def test_a_good_one_is_taken_and_not_twice_and_nobody_takes_what_another_is_at_fault_for(
    federation: Federation, henan: Forger
) -> None:
    opened = fresh(federation)
    command = SupportCommand(support_request_id=opened.id, staff_id="wang", open=opened)
    astray = henan.seal("guangdong", COMMAND, command, opened.id)
    assert refused(await henan.deliver(astray, "guangdong")) == "SUPPORT_NOT_RESPONSIBLE"
    first = henan.seal("sichuan", COMMAND, command, opened.id)
    assert (await henan.deliver(first, "sichuan")).HasField("receipt")
    again = henan.seal("sichuan", COMMAND, command, opened.id)
    assert refused(await henan.deliver(again, "sichuan")) == "ENVELOPE_INVALID"
