"""The coordination body: the persons on duty at an instant, and the parties responsible for a matter. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.federation.v1.body_pb2 import BodyStatus, OnDuty
from gateway.api.federation.v1.configuration_pb2 import (
    Configuration,
    Department,
    DutyContact,
    DutyRoster,
    DutyShift,
    ResponsibleParty,
    TimeLimit,
)
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import invalid
from gateway.time.calendars import WorkingDays
from gateway.time.clock import from_timestamp, to_timestamp
from gateway.time.working_time import WorkingHours

ANOMALY = "anomaly"
"""The matter of what an operator system, a person or a region does with lines of this one beyond its usual measure."""
BILL_READINGS = "bill-readings"
"""The matter of another region that reads about as many bills by papers as a day permits."""
CASE_WITHOUT_OWNER = "case-without-owner"
"""The matter of a case that awaits the coordinator."""
CONFIGURATION_DISPUTED = "configuration-disputed"
"""The matter of a configuration that contradicts another region's, or of a revision that is withheld."""
ISSUE_ESCALATED = "issue-escalated"
"""The matter of an issue between regions at its first escalation."""
ISSUE_WITHOUT_OWNER = "issue-without-owner"
"""The matter of an issue whose owner region is silent about what is due, or has left."""
BULLETIN_UNREAD = "bulletin-unread"
"""The matter of a bulletin that a region has not read in time, at that region."""
JOINT_ORDER = "joint-order"
"""The matter of a joint order with a limit that is near, at the leading region and at that of the item."""
LEGAL_DUTY_READINGS = "legal-duty-readings"
"""The matter of another region that reads about as many customers by legal duty as a day permits."""
LOAN_OVERDUE = "loan-overdue"
"""The matter of a loan between regions at its first escalation, or whose lender is silent."""
QUARANTINED_WORK = "quarantined-work"
"""The matter of a timer or an envelope that failed again and again, and waits for people."""
SETTLEMENT_DISPUTE = "settlement-dispute"
"""The matter of a month of settlement that one region has signed, and that waits for an answer or is disputed."""
SETTLEMENT_PAYMENT = "settlement-payment"
"""The matter of a month of settlement that both regions have signed, and whose payment one of them has not recorded."""
SURVEY_FOLLOW_UP = "survey-follow-up"
"""The matter of a low mark of a customer."""
_FIRST_LEVEL, HIGHEST_LEVEL = 3, 5
_TURN = timedelta(days=7)
_LOOKED_AHEAD = timedelta(days=35)  # a duty without an end in this time has none
_FARTHEST = timedelta(days=3660)  # from now: no calendar reaches farther


def level_matter(level: int) -> str:
    """The matter of a complaint that has reached a level, 1 to 5."""
    return f"complaint-level-{level}"


def escalation_level(number: int) -> int:
    """The level that the escalation with a number, from 1, of an issue or a loan between regions reaches: 3 to 5.

    Each one reaches the next level: the coordinator, the executive, then the highest of the matrix, again each time.
    """
    return min(_FIRST_LEVEL + number - 1, HIGHEST_LEVEL)


def asked_instant(asked: Timestamp | None, now: datetime) -> datetime:
    """The requested instant, or now.

    Raises Refused with REQUEST_INVALID for an instant ten years away.
    """
    if asked is None:
        return now
    if abs(asked.seconds - now.timestamp()) > _FARTHEST.total_seconds():
        raise invalid("time", "out of range", "超出范围")
    return from_timestamp(asked)


class Party(NamedTuple):
    """A department of a region."""

    region: str
    department: str


@dataclass(frozen=True)
class Responsible:
    """The lead and the helpers of a matter, and the time in which the lead acts."""

    lead: Party
    helpers: tuple[Party, ...]
    limit: TimeLimit


class Body:
    """The coordination body of a valid configuration. Immutable; without a body nobody is on duty."""

    def __init__(self, configuration: Configuration) -> None:
        body, days = configuration.body, WorkingDays(configuration.calendars)
        zones = {region.id: region.time_zone for region in configuration.regions}
        self._members = {member.region: member for member in body.members}
        self._matters = {row.matter: row for row in body.responsibilities}
        self._departments = [
            *body.departments,
            *(each for category in configuration.complaint_categories for each in category.departments),
        ]
        self._rosters: dict[Party, _Roster] = {}
        for roster in body.duty_rosters:
            found = _Roster(roster, zones[roster.region], days)
            self._rosters |= {Party(roster.region, code): found for code in roster.departments}

    def on_duty(self, region: str, department: str, at: datetime) -> OnDuty:
        """The person to call for a department of a region at an instant with its zone.

        The region's member of the body stands in where no roster has anybody on duty. The contact is unset without
        both.
        """
        roster = self._rosters.get(Party(region, department))
        turn = roster.turn_at(at) if roster is not None else None
        if turn is not None:
            end_time = to_timestamp(turn.end_time) if turn.end_time is not None else None
            return OnDuty(region=region, department=department, contact=turn.contact, end_time=end_time)
        if region not in self._members:
            return OnDuty(region=region, department=department)
        return OnDuty(region=region, department=department, contact=self._members[region].contact, stands_in=True)

    def responsible(self, matter: str, region: str, department: str = "") -> Responsible | None:
        """The parties for a matter that a department of a region has; None for a matter outside the matrix."""
        row = self._matters.get(matter)
        if row is None:
            return None

        def party(named: ResponsibleParty) -> Party:
            return Party(named.region or region, named.department or department)

        return Responsible(party(row.lead), tuple(map(party, row.helpers)), row.limit)

    def lead_on_duty(self, matter: str, region: str, department: str, at: datetime) -> OnDuty | None:
        """The person to call for the lead of a matter; None for a matter outside the matrix."""
        found = self.responsible(matter, region, department)
        return self.on_duty(*found.lead, at) if found is not None else None

    def helpers_on_duty(self, parties: Responsible, at: datetime) -> Sequence[OnDuty]:
        """The persons to inform about a matter: those of its helpers, each once, without the one of its lead."""
        lead = self.on_duty(*parties.lead, at)
        found = {_person(lead): lead}
        for helper in parties.helpers:
            duty = self.on_duty(*helper, at)
            if duty.HasField("contact"):
                found.setdefault(_person(duty), duty)
        return list(found.values())[1:]

    def department_named(self, name: LocalizedText) -> Department:
        """The department with a name; without a code where no department has it."""
        return next((each for each in self._departments if each.name == name), Department(name=name))

    def status(self, region: str, at: datetime, revision: int = 0) -> BodyStatus:
        """The body at an instant; members and persons on duty of one region, or of all where it is empty.

        `revision` is that of the configuration in force.
        """
        parties = sorted(each for each in self._rosters if region in ("", each.region))
        return BodyStatus(
            duty_time=to_timestamp(at),
            members=[self._members[each] for each in sorted(self._members) if region in ("", each)],
            on_duty=[self.on_duty(*each, at) for each in parties],
            responsibilities=self._matters.values(),
            federation_revision=revision,
        )


def _person(duty: OnDuty) -> tuple[str, str]:
    return duty.region, duty.contact.staff_id


class _Turn(NamedTuple):
    contact: DutyContact
    end_time: datetime | None
    """In UTC; None without an end in the next weeks."""


class _Roster:
    """A roster, ready for look-ups."""

    def __init__(self, roster: DutyRoster, time_zone: str, days: WorkingDays) -> None:
        self._contacts = {each.staff_id: each for each in roster.contacts}
        self._shifts = [(WorkingHours(each.hours, time_zone, days), each) for each in roster.shifts]
        self._substitutions = list(roster.substitutions)
        self._zone = ZoneInfo(time_zone)

    def turn_at(self, at: datetime) -> _Turn | None:
        """The person on duty at an instant, and the end of the duty; None at a gap."""
        for hours, shift in self._shifts:
            if hours.is_open(at):
                staff_id = self._staff_on(shift, self._day(at))
                return _Turn(self._contacts[staff_id], self._end(hours, shift, staff_id, at))
        return None

    def _end(self, hours: WorkingHours, shift: DutyShift, staff_id: str, at: datetime) -> datetime | None:
        """The end of adjacent hours of a person."""
        end: datetime | None = None
        for opens, closes in self._spans(hours, at):
            is_adjacent = end is None or opens == end
            if not is_adjacent or self._staff_on(shift, self._day(opens)) != staff_id:
                return end
            end = closes
        return None

    def _spans(self, hours: WorkingHours, at: datetime) -> Iterator[tuple[datetime, datetime]]:
        for span in hours.spans_from(at):
            if span.opens > at + _LOOKED_AHEAD:
                return
            yield span.opens, span.closes

    def _staff_on(self, shift: DutyShift, day: date) -> str:
        """The staff id of the person whose turn is on a day, or of the substitute."""
        turns = (day - date.fromisoformat(shift.first_date)) // _TURN
        staff_id = shift.staff_ids[turns % len(shift.staff_ids)]
        told = day.isoformat()
        absences = (each for each in self._substitutions if each.staff_id == staff_id)
        return next((each.substitute for each in absences if each.first_date <= told <= each.last_date), staff_id)

    def _day(self, instant: datetime) -> date:
        return instant.astimezone(self._zone).date()
