"""Whom a complaint concerns, what they ask each other, who has it meanwhile, and which files it takes."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintAttachment
from gateway.errors import Refused
from gateway.time.clock import from_timestamp
from region_node.care.complaints import ledger, rules
from region_node.care.complaints.parties import parties, require_other_party
from tests.unit.complaint_scene import HOUR, at, complaint, hours

START = at("2026-03-02 10:00")
REGIONS = ("guangdong", "sichuan")


def holder(found: Complaint) -> tuple[str, int]:
    return found.custody[-1].region, found.custody[-1].reason


def test_the_first_contact_and_the_responsible_region_are_parties_each_once() -> None:
    assert parties(complaint(START)) == REGIONS
    assert parties(complaint(START, region="guangdong")) == ("guangdong",)
    require_other_party(complaint(START), "guangdong", "sichuan")
    for region, asking in (("henan", "sichuan"), ("sichuan", "sichuan"), ("", "sichuan")):
        with pytest.raises(Refused, match="COMPLAINT_REGION_NOT_CONCERNED"):
            require_other_party(complaint(START), region, asking)


def test_who_was_asked_has_the_complaint_until_it_says_something_and_others_do_not_answer_for_it() -> None:
    found = complaint(START)
    rules.note(found, "sichuan/wang", "which month?", START + HOUR, asks_region="guangdong")
    rules.go_on(found, START + HOUR)
    assert holder(found) == ("guangdong", rules.WAITING_FOR_REGION)
    rules.note(found, "sichuan/wang", "and which line?", START + 2 * HOUR)
    assert holder(found) == ("guangdong", rules.WAITING_FOR_REGION)
    assert not found.notes[0].HasField("answer_time")
    rules.note(found, "guangdong/li", "March", START + 3 * HOUR)
    assert from_timestamp(found.notes[0].answer_time) == START + 3 * HOUR
    assert holder(found) == ("sichuan", rules.WORKING)
    booked = ledger.booked(found, START + 4 * HOUR, hours)
    assert booked["guangdong", rules.WAITING_FOR_REGION] == 2 * HOUR


def test_an_attachment_of_the_region_that_was_asked_is_an_answer_too() -> None:
    found = complaint(START)
    rules.note(found, "sichuan/wang", "the receipt, please", START, asks_region="guangdong")
    rules.go_on(found, START)
    attachment = ComplaintAttachment(id="guangdong/counter/1", name="receipt.png", region="guangdong")
    rules.attach(found, attachment, "guangdong", START + HOUR)
    assert found.notes[0].HasField("answer_time")
    assert holder(found) == ("sichuan", rules.WORKING)


@given(st.lists(st.tuples(st.sampled_from(REGIONS), st.sampled_from(("", *REGIONS)), st.integers(0, 600)), max_size=12))
def test_whoever_asks_and_answers_every_second_is_booked_once(said: list[tuple[str, str, int]]) -> None:
    found, now = complaint(START), START
    for region, asks, minutes in said:
        now += timedelta(minutes=minutes)
        rules.note(found, f"{region}/x", "x", now, asks_region="" if asks == region else asks)
        rules.go_on(found, now)
        waits = {each.asks_region for each in found.notes if not each.HasField("answer_time")} - {"", "sichuan"}
        assert (found.custody[-1].region in waits) == bool(waits)
        assert region not in waits
    assert sum(ledger.booked(found, now, hours).values(), timedelta()) == now - START


@pytest.mark.parametrize(
    "attachment",
    [
        ComplaintAttachment(id="guangdong/counter/1", name="a.png", region="sichuan"),
        ComplaintAttachment(id="sichuan/counter/1", name="a.png", region="guangdong"),
        ComplaintAttachment(id="guangdong/counter/0", name="a.png", region="guangdong"),
        ComplaintAttachment(id="guangdong/counter/1", region="guangdong"),
        ComplaintAttachment(id="guangdong/counter/1", name="a/b.png", region="guangdong"),
        ComplaintAttachment(id="guangdong/counter/1", name="a\u202eb.png", region="guangdong"),
        ComplaintAttachment(id="guangdong/counter/1", name="a" * 121, region="guangdong"),
    ],
)
def test_an_attachment_of_another_region_or_known_or_without_a_good_name_is_not_taken(
    attachment: ComplaintAttachment,
) -> None:
    found = complaint(START)
    rules.attach(
        found, ComplaintAttachment(id="guangdong/counter/0", name="a.png", region="guangdong"), REGIONS[0], START
    )
    with pytest.raises(Refused, match="REQUEST_INVALID"):
        rules.attach(found, attachment, "guangdong", START)
    assert len(found.attachments) == 1


def test_attachments_come_to_an_end_before_a_resolution_finds_no_room() -> None:
    found = complaint(START)
    with pytest.raises(Refused, match="MESSAGE_TOO_LARGE"):  # noqa: PT012 - which of them is refused is what is asked
        for number in range(1000):
            attachment = ComplaintAttachment(
                id=f"guangdong/{'c' * 64}/{number:064}", name="票" * 120, region="guangdong", sha256=bytes(32)
            )
            rules.attach(found, attachment, "guangdong", START)
    assert len(found.attachments) > 20
    rules.require_room(found, rules.COMPLAINT_LIMIT - rules.TALK_LIMIT)
    found.state = rules.CLOSED
    with pytest.raises(Refused, match="COMPLAINT_STATE_FORBIDS"):
        rules.require_attachable(found)
