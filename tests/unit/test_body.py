"""The coordination body: the person on duty at every instant, and the parties of a matter."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.api.federation.v1.body_pb2 import OnDuty
from gateway.api.federation.v1.configuration_pb2 import (
    Calendar,
    Configuration,
    CoordinationBody,
    Department,
    DutyRoster,
    DutyShift,
    DutySubstitution,
    OpeningHours,
    Region,
    ResponsibleParty,
)
from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.errors import Refused, reason_name
from gateway.federation import body as body_module
from gateway.federation.body import (
    ISSUE_ESCALATED,
    ISSUE_WITHOUT_OWNER,
    LOAN_OVERDUE,
    Body,
    Party,
    asked_instant,
    level_matter,
)
from gateway.time.clock import from_timestamp, to_timestamp
from gateway.values.choices import known_of
from region_node.care.escalations.duty import with_duty
from tests.shipped import shipped_configuration

SHIPPED = shipped_configuration()
FOR_PEOPLE = {"data-breach", "network-problem"}
"""The matters whose parties people look up in the matrix."""
FIRST_DATE = "2026-01-05"  # a Monday
DAY = [OpeningHours(working_days=True, opens="08:30", closes="18:00")]
NIGHT = [
    OpeningHours(working_days=True, opens="00:00", closes="08:30"),
    OpeningHours(working_days=True, opens="18:00", closes="24:00"),
    OpeningHours(days_off=True, opens="00:00", closes="24:00"),
]


def shift(*staff_ids: str, hours: list[OpeningHours] | None = None) -> DutyShift:
    return DutyShift(hours=hours or [], staff_ids=staff_ids, first_date=FIRST_DATE)


def body(
    *shifts: DutyShift, zone: str = "Asia/Shanghai", absences: list[DutySubstitution] | None = None, member: str = ""
) -> Body:
    """The body of one region with one roster."""
    found = CoordinationBody()
    roster = DutyRoster(id="r", region="henan", departments=["BILLING"], shifts=shifts, substitutions=absences or [])
    named = [staff_id for each in shifts for staff_id in each.staff_ids] + [each.substitute for each in absences or []]
    for staff_id in dict.fromkeys(named):
        roster.contacts.add(staff_id=staff_id, name=f"name of {staff_id}", telephone="+8637110000001")
    found.duty_rosters.append(roster)
    if member:
        found.members.add(region="henan").contact.staff_id = member
    calendar = Calendar(year=2026, holidays=["2026-01-08"], makeup_workdays=["2026-01-10"])
    return Body(Configuration(regions=[Region(id="henan", time_zone=zone)], calendars=[calendar], body=found))


def wall(told: str, zone: str = "Asia/Shanghai") -> datetime:
    return datetime.fromisoformat(told).replace(tzinfo=ZoneInfo(zone))


def called(duty: OnDuty, zone: str = "Asia/Shanghai") -> tuple[str, str]:
    """The staff id, and the end by the wall clock of the zone."""
    end = from_timestamp(duty.end_time).astimezone(ZoneInfo(zone)) if duty.HasField("end_time") else None
    return duty.contact.staff_id, f"{end:%m-%d %H:%M}" if end is not None else ""


@pytest.mark.clause("9.1(2)")
def test_the_person_on_duty_follows_hours_calendar_and_weekly_turns_day_and_night() -> None:
    found = body(shift("d1", "d2", hours=DAY), shift("n1", "n2", hours=NIGHT))
    wrong = []
    for told, expected in {
        "2026-01-05 08:29": ("n1", "01-05 08:30"),
        "2026-01-05 08:30": ("d1", "01-05 18:00"),
        "2026-01-05 18:00": ("n1", "01-06 08:30"),
        "2026-01-08 12:00": ("n1", "01-09 08:30"),  # a holiday within the week
        "2026-01-10 12:00": ("d1", "01-10 18:00"),  # a Saturday that is worked
        "2026-01-11 23:59": ("n1", "01-12 00:00"),  # the turn ends within the night
        "2026-01-12 00:00": ("n2", "01-12 08:30"),
        "2026-01-12 09:00": ("d2", "01-12 18:00"),
        "2026-01-19 09:00": ("d1", "01-19 18:00"),
        "2026-01-04 12:00": ("n2", "01-05 00:00"),  # before the first turn
    }.items():
        answer = called(found.on_duty("henan", "BILLING", wall(told)))
        if answer != expected:
            wrong.append((told, answer, expected))
    assert wrong == []


def test_a_duty_ends_by_the_clock_of_its_region_where_clocks_change() -> None:
    zone = "Europe/Berlin"
    found = body(
        shift("a", hours=[OpeningHours(working_days=True, days_off=True, opens="00:00", closes="06:00")]), zone=zone
    )
    for day, hours in (("2026-03-29", 5), ("2026-10-25", 7), ("2026-06-01", 6)):
        midnight = wall(f"{day} 00:00", zone)
        duty = found.on_duty("henan", "BILLING", midnight)
        assert from_timestamp(duty.end_time) - midnight.astimezone(UTC) == timedelta(hours=hours), day


def test_a_substitute_has_the_turns_of_an_absent_person_on_the_days_of_the_absence() -> None:
    absences = [DutySubstitution(staff_id="a", substitute="b", first_date="2026-01-06", last_date="2026-01-07")]
    found = body(shift("a"), absences=absences)
    persons = [called(found.on_duty("henan", "BILLING", wall(f"2026-01-0{day} 12:00"))) for day in (5, 6, 7, 8)]
    assert persons == [("a", "01-06 00:00"), ("b", "01-08 00:00"), ("b", "01-08 00:00"), ("a", "")]


def test_the_regions_member_stands_in_at_a_gap_and_for_a_department_without_a_roster() -> None:
    found = body(shift("d1", hours=DAY), member="m")
    night, day = wall("2026-01-05 22:00"), wall("2026-01-05 12:00")
    asked = [("henan", "BILLING", night), ("henan", "LEGAL", day), ("henan", "BILLING", day), ("hubei", "LEGAL", day)]
    told = [(duty.contact.staff_id, duty.stands_in) for duty in (found.on_duty(*each) for each in asked)]
    assert told == [("m", True), ("m", True), ("d1", False), ("", False)]
    assert not body(shift("d1", hours=DAY)).on_duty("henan", "BILLING", night).HasField("contact")


@pytest.mark.clause("10.3(2)")
def test_a_matter_is_led_by_its_party_or_by_the_department_that_has_it() -> None:
    found = Body(SHIPPED)
    quality, office = Party("sichuan", "SERVICE_QUALITY"), Party("beijing", "COORDINATION")
    expected = {1: Party("sichuan", "BILLING"), 2: quality, 3: office, 4: Party("beijing", "EXECUTIVE")}
    for level, lead in expected.items():
        responsible = found.responsible(level_matter(level), "sichuan", "BILLING")
        assert responsible is not None
        assert responsible.lead == lead
    third = found.responsible(level_matter(3), "sichuan", "BILLING")
    assert third is not None
    assert (third.helpers, third.limit.duration.ToTimedelta()) == ((quality,), timedelta(hours=2))
    assert found.responsible("no-matter", "sichuan") is None


@pytest.mark.clause("10.3(1)")
def test_every_region_of_the_shipped_federation_has_somebody_to_call_for_every_department_at_every_hour() -> None:
    found, start = Body(SHIPPED), wall("2026-09-28 00:30")
    codes = {each.code for category in SHIPPED.complaint_categories for each in category.departments}
    nobody = [
        (region.id, code, hour)
        for region in SHIPPED.regions
        for code in sorted(codes)
        for hour in range(0, 240, 5)
        if not found.on_duty(region.id, code, start + timedelta(hours=hour)).HasField("contact")
    ]
    assert nobody == []


def test_the_status_has_one_duty_for_each_department_with_a_roster_and_one_region_on_request() -> None:
    found, at = Body(SHIPPED), wall("2026-12-24 22:00")
    whole, henan = found.status("", at), found.status("henan", at)
    assert [each.region for each in whole.members] == sorted(region.id for region in SHIPPED.regions)
    assert {each.region for each in henan.on_duty} == {each.region for each in henan.members} == {"henan"}
    assert len(whole.on_duty) > len(henan.on_duty)
    assert from_timestamp(henan.duty_time) == at.astimezone(UTC)
    assert found.status("", at, 7).federation_revision == 7
    nothing = Body(Configuration()).status("", at)
    assert not nothing.members
    assert not nothing.on_duty


def test_an_instant_far_from_now_is_refused() -> None:
    now = wall("2026-12-24 22:00")
    assert asked_instant(None, now) == now
    assert asked_instant(to_timestamp(now + timedelta(days=30)), now) == now + timedelta(days=30)
    for far in (timedelta(days=4000), timedelta(days=-4000)):
        with pytest.raises(Refused) as refused:
            asked_instant(to_timestamp(now + far), now)
        assert reason_name(refused.value.reason) == "REQUEST_INVALID"


def test_a_notice_about_a_level_names_the_person_on_duty_for_its_lead_at_the_delivery() -> None:
    found = Body(SHIPPED)
    billing = next(
        each for category in SHIPPED.complaint_categories for each in category.departments if each.code == "BILLING"
    )
    raised = RaisedComplaint(
        ticket_id="guangdong/1", region="guangdong", owner_region="sichuan", department=Department(name=billing.name)
    )
    told = {}
    for level in range(1, 6):
        raised.level = level
        notice = with_duty(raised, found, wall("2026-12-24 22:00"))
        told[level] = (notice.on_duty.region, notice.on_duty.department)
        assert notice.on_duty.contact.telephone
        assert notice.department.code == "BILLING"
    office, executive = ("beijing", "COORDINATION"), ("beijing", "EXECUTIVE")
    quality = ("sichuan", "SERVICE_QUALITY")
    assert told == {1: ("sichuan", "BILLING"), 2: quality, 3: office, 4: executive, 5: executive}
    assert not raised.HasField("on_duty")
    assert not with_duty(raised, Body(Configuration()), wall("2026-12-24 22:00")).HasField("on_duty")


def test_an_escalated_issue_and_an_overdue_loan_call_the_person_on_duty_of_the_region_that_decides() -> None:
    called = {}
    for matter in (ISSUE_ESCALATED, LOAN_OVERDUE):
        raised = RaisedComplaint(level=3, matter=matter, owner_region="sichuan")
        notice = with_duty(raised, Body(SHIPPED), wall("2026-12-24 22:00"))
        called[matter] = (notice.on_duty.region, notice.on_duty.department)
        assert notice.on_duty.contact.telephone
    assert called == {
        ISSUE_ESCALATED: ("sichuan", "SERVICE_QUALITY"),
        LOAN_OVERDUE: ("sichuan", "NETWORK_OPERATIONS"),
    }
    earlier = Configuration()
    earlier.CopyFrom(SHIPPED)
    rows = [each for each in SHIPPED.body.responsibilities if each.matter not in called]
    del earlier.body.responsibilities[:]
    earlier.body.responsibilities.extend(rows)
    raised = RaisedComplaint(level=3, matter=LOAN_OVERDUE, owner_region="sichuan")
    assert with_duty(raised, Body(earlier), wall("2026-12-24 22:00")).on_duty.region == "beijing"


def test_a_notice_informs_the_persons_on_duty_for_the_helpers_of_its_matter_each_once_and_never_who_is_called() -> None:
    at = wall("2026-12-24 22:00")
    raised = RaisedComplaint(level=3, matter=ISSUE_WITHOUT_OWNER, region="guangdong", owner_region="sichuan")
    notice = with_duty(raised, Body(SHIPPED), at)
    assert (notice.on_duty.region, notice.on_duty.department) == ("beijing", "COORDINATION")
    assert [(each.region, each.department) for each in notice.helpers] == [("sichuan", "SERVICE_QUALITY")]
    assert notice.helpers[0].contact.telephone
    # The executive and the office of Beijing have one roster: its person is called, and not informed as well.
    highest = with_duty(RaisedComplaint(level=4, region="guangdong", owner_region="sichuan"), Body(SHIPPED), at)
    assert highest.on_duty.region == "beijing"
    assert [each.region for each in highest.helpers] == ["sichuan"]
    repeated = Configuration()
    repeated.CopyFrom(SHIPPED)
    for row in repeated.body.responsibilities:
        row.helpers.extend([*row.helpers, ResponsibleParty(region="sichuan", department="OPERATIONS")])
    assert len(with_duty(raised, Body(repeated), at).helpers) == 1, "one person has the duty of both departments"
    del repeated.body.members[:]
    del repeated.body.duty_rosters[:]
    assert not with_duty(raised, Body(repeated), at).helpers, "nobody is named where nobody is on duty"


def test_every_matter_of_the_shipped_body_is_looked_up_by_code_or_named_as_one_for_people() -> None:
    named = {value: name for name, value in vars(body_module).items() if name.isupper() and isinstance(value, str)}
    root = Path(body_module.__file__).parents[2]
    sources = [
        path.read_text("utf-8")
        for package in ("gateway", "region_node", "coordinator")
        for path in (root / package).rglob("*.py")
        if path != Path(body_module.__file__) and not path.name.endswith("_pb2.py")
    ]
    imported = {
        name
        for source in sources
        for found in re.findall(r"from gateway\.federation\.body import \(?([\w\s,]+)", source)
        for name in re.findall(r"\w+", found)
    }
    looked_up = {matter for matter, name in named.items() if name in imported}
    assert "level_matter" in imported
    looked_up |= {level_matter(level) for level in range(1, 6)}
    matters = {each.matter for each in SHIPPED.body.responsibilities}
    page = (root / "docs/body.md").read_text("utf-8")
    assert matters - looked_up == FOR_PEOPLE, "a matter that is read by no code calls nobody"
    assert looked_up <= matters, "a matter without a row calls the person of a level"
    assert not [each for each in matters if f"`{each}`" not in page and "complaint-level" not in each]


def test_a_body_makes_no_choice_that_a_member_of_an_earlier_release_lacks() -> None:
    assert known_of(CoordinationBody.DESCRIPTOR).keys() == {"gateway.api.federation.v1.TimeLimit.limit"}
