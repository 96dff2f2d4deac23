"""Complaints as administrators see them: each once, as its region has it, and where its time went."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.cli.complaints.complaint_view import complaint_headers, length, print_groups, print_history
from coordinator.oversight.complaint_rules import first_contact, merged
from coordinator.oversight.listings import DUE_COMPLAINTS, NEWEST_COMPLAINTS
from gateway.api.region.v1.complaint_oversight_service_pb2 import (
    ComplaintHeader,
    ComplaintHistory,
)
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState, TimeReason
from gateway.errors import Refused
from gateway.rpc.merged_pages import Part
from gateway.time.clock import to_timestamp
from region_node.care.complaints import escalation, rules
from region_node.care.complaints.deadlines import meet
from region_node.care.complaints.escalation import AdministratorsWish
from region_node.care.complaints.history import history
from tests.unit.complaint_scene import DAY, HOUR, at, complaint, due, duration, fired, hours

START = datetime(2026, 11, 24, 12, tzinfo=UTC)


def header(number: int, *, version: int = 1, owner: str = "sichuan", due_in: int = 0) -> ComplaintHeader:
    found = ComplaintHeader(
        ticket_id=f"guangdong/{number}",
        version=version,
        origin_region="guangdong",
        owner_region=owner,
        create_time=to_timestamp(START + timedelta(minutes=number)),
    )
    if due_in:
        found.due_time.CopyFrom(to_timestamp(START + timedelta(hours=due_in)))
    return found


def test_the_responsible_regions_word_counts_whatever_version_another_has() -> None:
    here, there = header(1, version=9), header(1, version=2)
    assert merged({"guangdong": [here], "sichuan": [there]}) == [there]


def test_what_the_responsible_region_has_taken_up_and_does_not_name_is_no_longer_so() -> None:
    old, fresh = header(1, version=3), header(2, version=0)
    assert merged({"guangdong": [old, fresh], "sichuan": []}) == [fresh]
    # Where that region did not answer, another one's word has to do.
    assert merged({"guangdong": [old]}) == [old]


def test_complaints_are_ordered_by_what_was_asked() -> None:
    soon, later = header(1, due_in=1), header(2, due_in=2)
    parts = {"sichuan": Part([("", [later, soon])])}
    assert DUE_COMPLAINTS.page({}, parts, 50).items == [soon, later]
    assert NEWEST_COMPLAINTS.page({}, parts, 50).items == [later, soon]


@pytest.mark.parametrize("ticket_id", ["", "guangdong", "/1", "guangdong/", "guangdong//1"])
def test_a_ticket_id_names_its_first_contact(ticket_id: str) -> None:
    assert first_contact("guangdong/20261124-1") == first_contact("guangdong/20261124-1/2") == "guangdong"
    with pytest.raises(Refused):
        first_contact(ticket_id)


# How one went.


def late_complaint() -> Complaint:
    start = at("2026-03-02 10:00")
    found = complaint(start, (rules.RESOLVE, duration(24)))
    rules.hand_over(found, "", rules.WAITING_FOR_CUSTOMER, start + 5 * HOUR)
    rules.hand_over(found, "sichuan", rules.WORKING, start + 20 * HOUR)
    meet(found, (rules.RESOLVE,), start + 30 * HOUR)
    rules.hand_over(found, "", rules.WAITING_FOR_CUSTOMER, start + 30 * HOUR)
    rules.note(found, "sichuan/wang", "a secret", start + 6 * HOUR, asks_customer=True)
    return found


def test_why_a_complaint_is_late_sums_to_what_it_had_and_its_lateness() -> None:
    found = late_complaint()
    seen = history(found, at("2026-03-10 10:00"), hours)
    assert seen.lateness.ToTimedelta() == 6 * HOUR
    assert sum((each.duration.ToTimedelta() for each in seen.why_late), timedelta()) == 30 * HOUR
    assert sum((each.duration.ToTimedelta() for each in seen.ledger), timedelta()) == 8 * DAY
    assert [each.region for each in seen.utterances] == ["sichuan"]
    assert "secret" not in str(seen)
    assert "wang" not in str(seen)


def test_what_is_in_time_needs_no_excuse() -> None:
    found = complaint(at("2026-03-02 10:00"), (rules.RESOLVE, duration(24)))
    seen = history(found, due(found), hours)
    assert not seen.HasField("lateness")
    assert not seen.why_late
    late = history(found, due(found) + HOUR, hours)
    assert sum((each.duration.ToTimedelta() for each in late.why_late), timedelta()) == 25 * HOUR


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=6))
def test_the_rows_of_why_late_sum_to_the_whole_as_they_are_shown(seconds: list[int]) -> None:
    shown: list[tuple[str, ...]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "gateway.cli.table.print_table",
            lambda _, rows, title, **__: shown.extend(rows) if title.startswith("Why it is late") else None,
        )
        seen = ComplaintHistory(header=header(1))
        seen.lateness.FromTimedelta(HOUR)
        for each in seconds:
            entry = seen.why_late.add(region="sichuan", reason=TimeReason.TIME_REASON_WORKING)
            entry.duration.FromTimedelta(timedelta(seconds=each))
        print_history(seen, "sichuan")
    *parts, last = [minutes(row[2]) for row in shown]
    assert sum(parts) == last == sum(seconds) // 60
    assert sum(str(row[4]).count("█") for row in shown[:-1]) == 28


def test_what_waited_for_the_coordinator_is_not_said_to_be_the_customers(capsys: pytest.CaptureFixture[str]) -> None:
    seen = ComplaintHistory(header=header(1))
    for reason in (TimeReason.TIME_REASON_WAITING_FOR_COORDINATOR, TimeReason.TIME_REASON_WAITING_FOR_CUSTOMER):
        seen.ledger.add(reason=reason).duration.FromTimedelta(HOUR)
    print_history(seen, "sichuan")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines if "waiting for" in line] == ["the coordinator", "the customer"]


def test_an_end_whose_time_is_an_estimate_is_said_to_be_one(capsys: pytest.CaptureFixture[str]) -> None:
    seen = ComplaintHistory(header=header(1))
    for reason, is_estimated in (("received", False), ("accepted by the customer", True)):
        seen.state_changes.add(
            state=rules.CLOSED, time=to_timestamp(START), region="sichuan", reason=reason, estimated=is_estimated
        )
    print_history(seen, "sichuan")
    out = capsys.readouterr().out
    assert "closed (received)" in out
    assert "closed (accepted by the customer; the time is an estimate)" in out


def minutes(shown: str) -> int:
    days, _, clock = shown.rpartition(" d ")
    hour, _, minute = clock.partition(":")
    return int(days or 0) * 1440 + int(hour) * 60 + int(minute)


def test_a_list_tells_how_much_time_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    complaint_headers(START).show([header(1, due_in=1), header(2, due_in=-3)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[-1] == "1:00"
    assert lines[2].split()[-1] == "-3:00"
    assert "not classified" in lines[1]
    assert length(timedelta(days=2, hours=3, minutes=4, seconds=59)) == "2 d 03:04"


# Raised by an administrator.


def wish(level: int) -> AdministratorsWish:
    return AdministratorsWish(level, "in the newspapers", "admin/root")


def test_an_administrator_raises_upwards_only_through_every_level() -> None:
    found, now = complaint(at("2026-03-02 10:00")), at("2026-03-02 11:00")
    escalation.raise_for_administrator(found, wish(4), now, "sichuan")
    assert fired(found)[2:] == [(2, "ADMINISTRATOR"), (3, "ADMINISTRATOR"), (4, "ADMINISTRATOR")]
    assert (found.notes[-1].author, found.notes[-1].text) == ("admin/root", "in the newspapers")
    (said,) = history(found, now, hours).utterances
    assert said.region == "admin/root"
    for level in (1, 4):
        with pytest.raises(Refused, match="LEVEL_REACHED"):
            escalation.raise_for_administrator(found, wish(level), now, "sichuan")
    assert len(found.notes) == 1


@pytest.mark.parametrize("state", [rules.RESOLVED, rules.CLOSED, rules.CANCELLED, rules.REJECTED])
def test_nothing_is_raised_once_it_is_resolved_or_has_ended(state: ComplaintState.ValueType) -> None:
    found = complaint(at("2026-03-02 10:00"))
    found.state = state
    with pytest.raises(Refused, match="STATE_FORBIDS"):
        escalation.raise_for_administrator(found, wish(4), at("2026-03-02 11:00"), "sichuan")
    assert (found.level, len(found.notes)) == (1, 0)


def test_the_wish_does_not_print_why() -> None:
    assert "newspapers" not in repr(wish(3))


def test_a_group_is_counted_beneath_a_list_and_told_with_each_of_its_complaints(
    capsys: pytest.CaptureFixture[str],
) -> None:
    headers = [header(number) for number in range(4)]
    for each in headers[:3]:
        each.group_id = "sichuan/BILL_WRONG/guangdong/0"
    print_groups(headers)
    assert capsys.readouterr().out == "group sichuan/BILL_WRONG/guangdong/0: 3 of these\n"
    print_history(ComplaintHistory(header=headers[0]), "sichuan")
    assert "It belongs to the group sichuan/BILL_WRONG/guangdong/0." in capsys.readouterr().out
