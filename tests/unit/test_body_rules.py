"""The rules of the coordination body: each problem of its data is named with its path, and each gap is a warning."""

from collections.abc import Callable

from gateway.api.federation.v1.configuration_pb2 import (
    Configuration,
    CoordinationBody,
    DutyRoster,
    DutySubstitution,
    OpeningHours,
    ResponsibleParty,
)
from gateway.federation.body_rules import REQUIRED_MATTERS, body_problems, body_warnings
from gateway.federation.files import dump
from gateway.federation.rules import difference
from tests.shipped import shipped_configuration

SHIPPED = shipped_configuration()
Change = Callable[[CoordinationBody], object]


def changed(change: Change) -> Configuration:
    configuration = Configuration()
    configuration.CopyFrom(SHIPPED)
    change(configuration.body)
    return configuration


def roster(found: CoordinationBody, name: str = "henan-service") -> DutyRoster:
    return next(each for each in found.duty_rosters if each.id == name)


def absence(**fields: str) -> DutySubstitution:
    usual = {
        "staff_id": "henan-service-1",
        "substitute": "henan-service-2",
        "first_date": "2026-12-01",
        "last_date": "2026-12-02",
    }
    return DutySubstitution(**(usual | fields))


def absences(*found: DutySubstitution) -> Change:
    return lambda b: roster(b).substitutions.extend(found)


def hours(opens: str, closes: str) -> OpeningHours:
    return OpeningHours(working_days=True, opens=opens, closes=closes)


def put(field: str, value: object, of: Callable[[CoordinationBody], object] = lambda b: b) -> Change:
    return lambda b: setattr(of(b), field, value)


ROSTER = "body.duty_rosters[henan-service]"
WRONG: list[tuple[Change, str]] = [
    (lambda b: b.members.append(b.members[0]), "body.members[beijing]: stands here twice"),
    (put("region", "atlantis", lambda b: b.members[0]), "body.members[atlantis].region: unknown region 'atlantis'"),
    (put("name", " ", lambda b: b.members[0].contact), "body.members[beijing].contact.name: is missing"),
    (put("staff_id", "", lambda b: b.members[0].contact), "body.members[beijing].contact.staff_id: is missing"),
    (
        put("telephone", "110", lambda b: b.members[0].contact),
        "body.members[beijing].contact.telephone: must be a full",
    ),
    (put("en", "", lambda b: b.members[0].role), "body.members[beijing].role.en: the text is missing"),
    (put("code", "BILLING", lambda b: b.departments[0]), "body.departments[BILLING]: a complaint category has the"),
    (put("code", "Top", lambda b: b.departments[0]), "body.departments[Top].code: use capital letters"),
    (put("id", "A B", roster), "body.duty_rosters[A B].id: use lower-case letters"),
    (put("region", "atlantis", roster), f"{ROSTER}.region: unknown region 'atlantis'"),
    (lambda b: b.duty_rosters.append(roster(b)), "body.duty_rosters[henan-service]: stands here twice"),
    (
        lambda b: roster(b, "henan-network").departments.append("BILLING"),
        "body.duty_rosters[henan/BILLING]: stands here",
    ),
    (lambda b: roster(b).ClearField("departments"), f"{ROSTER}.departments: there is none"),
    (lambda b: roster(b).departments.append("KITCHEN"), f"{ROSTER}.departments: unknown department 'KITCHEN'"),
    (
        lambda b: roster(b).contacts.append(roster(b).contacts[0]),
        f"{ROSTER}.contacts[henan-service-1]: stands here twice",
    ),
    (put("telephone", "", lambda b: roster(b).contacts[0]), f"{ROSTER}.contacts[henan-service-1].telephone: must be"),
    (lambda b: roster(b).ClearField("shifts"), f"{ROSTER}.shifts: there is none"),
    (lambda b: roster(b).shifts[0].ClearField("staff_ids"), f"{ROSTER}.shifts[0].staff_ids: there is none"),
    (lambda b: roster(b).shifts[0].staff_ids.append("x"), f"{ROSTER}.shifts[0].staff_ids: unknown person 'x'"),
    (put("first_date", "2026-1-5", lambda b: roster(b).shifts[0]), f"{ROSTER}.shifts[0].first_date: not a date"),
    (put("opens", "8:30", lambda b: roster(b).shifts[0].hours[0]), f"{ROSTER}.shifts[0].hours[0].opens: '8:30' is not"),
    (
        lambda b: roster(b).shifts[0].hours.append(hours("17:00", "19:00")),
        f"{ROSTER}.shifts[1]: has 18:00 to 19:00 on working days, as shifts[0]",
    ),
    (lambda b: roster(b).shifts[0].ClearField("hours"), f"{ROSTER}.shifts[1]: has 00:00 to 24:00 on days off"),
    (absences(absence(staff_id="x")), f"{ROSTER}.substitutions[0].staff_id: unknown person 'x'"),
    (absences(absence(substitute="x")), f"{ROSTER}.substitutions[0].substitute: unknown person 'x'"),
    (absences(absence(first_date="x")), f"{ROSTER}.substitutions[0].first_date: not a date"),
    (absences(absence(last_date="2026-11-30")), f"{ROSTER}.substitutions[0].last_date: is before the first"),
    (absences(absence(), absence()), f"{ROSTER}.substitutions[1]: the person is absent twice on the same day"),
    (
        absences(absence(), absence(staff_id="henan-service-2", substitute="henan-service-3")),
        f"{ROSTER}.substitutions[1]: the substitute is absent on the same day",
    ),
    (
        lambda b: b.responsibilities.append(b.responsibilities[0]),
        "body.responsibilities[case-without-owner]: stands here",
    ),
    (put("matter", "A", lambda b: b.responsibilities[8]), "body.responsibilities[A].matter: use lower-case letters"),
    (put("zh_cn", "", lambda b: b.responsibilities[8].name), ".name.zh_cn: the text is missing"),
    (lambda b: b.responsibilities[8].ClearField("lead"), ".lead: is missing"),
    (put("department", "X", lambda b: b.responsibilities[8].lead), ".lead.department: unknown department 'X'"),
    (
        lambda b: b.responsibilities[8].helpers.insert(0, ResponsibleParty(region="atlantis")),
        ".helpers[0].region: unknown region 'atlantis'",
    ),
    (lambda b: b.responsibilities[8].ClearField("limit"), ".limit: says neither a duration"),
]


def test_each_problem_of_a_body_is_named_with_its_path() -> None:
    missed = []
    for change, told in WRONG:
        found = list(body_problems(changed(change)))
        if not any(told in each for each in found):
            missed.append((told, found))
    assert missed == []


def test_no_problem_tells_a_name_or_a_number() -> None:
    def spoil(found: CoordinationBody) -> None:
        found.members[0].contact.telephone = "13800138000"
        found.members[0].contact.name = ""
        found.members[0].region = ""

    told = " ".join(body_problems(changed(spoil)))
    assert "telephone" in told
    assert "138" not in told


def test_the_shipped_body_is_valid_and_without_a_gap_and_a_federation_needs_none() -> None:
    assert (list(body_problems(SHIPPED)), body_warnings(SHIPPED)) == ([], [])
    without = changed(lambda b: None)
    without.ClearField("body")
    assert (list(body_problems(without)), body_warnings(without)) == ([], [])


def test_each_matter_that_escalations_and_cases_look_up_is_required() -> None:
    found = list(body_problems(changed(lambda b: b.ClearField("responsibilities"))))
    assert found == [
        f"body.responsibilities[{matter}]: is missing; escalations and cases need it" for matter in REQUIRED_MATTERS
    ]


def test_a_gap_of_a_roster_and_a_region_without_a_member_are_warnings() -> None:
    def thin(found: CoordinationBody) -> None:
        del found.members[0]
        del roster(found).shifts[1].hours[1:]
        roster(found).shifts[0].hours[0].closes = "12:00"
        roster(found).shifts[0].hours.append(hours("13:00", "24:00"))

    assert body_warnings(changed(thin)) == [
        "body.members: there is none for beijing",
        f"{ROSTER}: nobody is on duty on working days from 12:00 to 13:00; the region's member stands in",
        f"{ROSTER}: nobody is on duty on days off from 00:00 to 24:00; the region's member stands in",
    ]


def test_a_body_is_written_to_its_file_and_a_change_of_it_has_the_path_of_its_row() -> None:
    assert "duty_rosters" in dump(SHIPPED)["body.yaml"]
    new = changed(lambda b: setattr(roster(b).contacts[0], "telephone", "+8637110000099"))
    new.body.duty_rosters.sort(key=lambda each: each.id, reverse=True)
    (change,) = difference(SHIPPED, new)
    assert change.path == f"{ROSTER}.contacts[henan-service-1].telephone"
