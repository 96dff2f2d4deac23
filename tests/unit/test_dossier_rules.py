"""Whether an appeal would be accepted: each condition by itself, to the day."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import ComplaintClass, TimeLimit
from gateway.api.region.v1.complaint_pb2 import Complaint, Remedy, Resolution
from gateway.api.region.v1.dossier_service_pb2 import (
    Appellant,
    DossierCondition,
    DossierConditionKind,
    DossierFinding,
    DossierStatements,
    DossierVerdict,
    Statement,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused
from gateway.federation.complaint_rules import APPEAL_OF_CHARGES, APPEAL_OF_OTHERS
from gateway.time.clock import to_timestamp
from region_node.care.complaints import escalation
from region_node.care.complaints import rules as complaint_rules
from region_node.care.complaints.deadlines import meet, reopen
from region_node.care.dossiers import rules
from tests.unit.complaint_scene import DAY, HOUR, at, complaint

YES, NO, UNSAID = Statement.STATEMENT_YES, Statement.STATEMENT_NO, Statement.STATEMENT_UNSPECIFIED
FILED = at("2026-03-02 10:00")
LATE = FILED + 20 * DAY  # the law's limit ended on the 17th at midnight
CHARGES, SERVICE = ComplaintClass.COMPLAINT_CLASS_CHARGES, ComplaintClass.COMPLAINT_CLASS_USER_SERVICE
DAYS = st.dates(date(2000, 1, 1), date(2090, 1, 1))


def filed(at_time: datetime = FILED) -> Complaint:
    """A complaint at work that the law wants answered in 15 days."""
    found = complaint(at_time, (complaint_rules.LEGAL, TimeLimit(days=15, source="x")))
    found.request.description, found.request.remedy_sought = "我被多收了钱", Remedy.REMEDY_REFUND
    found.request.number = "+8613912345678"
    return found


def answered(at_time: datetime = FILED + DAY) -> Complaint:
    """A complaint answered in time."""
    found = filed()
    meet(found, [complaint_rules.LEGAL], at_time)
    found.state = complaint_rules.RESOLVED
    found.resolution.CopyFrom(Resolution(text="退费", time=to_timestamp(at_time)))
    return found


def refused() -> Complaint:
    found = answered()
    reopen(found)
    found.state, found.refusals = complaint_rules.IN_PROGRESS, 1
    return found


def matter(
    found: Complaint | None = None,
    **changes: Any,  # noqa: ANN401 - of the fields' types
) -> rules.Matter:
    """A good appeal, with changes: `statements` by name, and any field of it."""
    statements: dict[str, Any] = {
        "direct_interest": YES,
        "settled": NO,
        "appealed": NO,
        "elsewhere": NO,
        "occurred_date": "2026-02-20",
    }
    statements |= {name: changes.pop(name) for name in list(changes) if name in statements}
    good = rules.Matter(
        complaint=filed() if found is None else found,
        complaint_class=CHARGES,
        appellant=Appellant(name="张三", address="广州", telephone="139", postal_code="510000"),
        statements=DossierStatements(**statements),
        customer_asks=False,
        respondent=LocalizedText(zh_cn="四川", en="Sichuan"),
        months=5,
        time_zone="Asia/Shanghai",
        now=LATE,
    )
    return replace(good, **changes)


def condition(found: rules.Matter, name: str) -> DossierCondition:
    kind = DossierConditionKind.Value(f"DOSSIER_CONDITION_KIND_{name}")
    (one,) = (each for each in rules.conditions(found) if each.kind == kind)
    return one


def finding(found: rules.Matter, name: str) -> str:
    return DossierFinding.Name(condition(found, name).finding).removeprefix("DOSSIER_FINDING_")


def verdict(found: rules.Matter) -> str:
    return DossierVerdict.Name(rules.verdict(rules.conditions(found))).removeprefix("DOSSIER_VERDICT_")


def test_an_appeal_of_which_everything_is_in_order_is_accepted_in_principle() -> None:
    assert {each.finding for each in rules.conditions(matter())} == {rules.FULFILLED}
    assert verdict(matter()) == "ACCEPTABLE"
    assert all(each.ground.zh_cn and each.ground.en and each.article.en for each in rules.conditions(matter()))


@pytest.mark.parametrize(
    ("changes", "name", "article"),
    [
        ({"direct_interest": NO}, "DIRECT_INTEREST", "10(1)"),
        ({"respondent": LocalizedText()}, "DEFINITE_RESPONDENT", "10(2)"),
        ({"found": Complaint(deadlines=filed().deadlines)}, "SPECIFIC_REQUEST", "10(3)"),
        ({"now": FILED + DAY}, "COMPLAINED_BEFORE", "10(4)"),
        ({"occurred_date": "2025-10-01"}, "IN_TIME", "11(1)"),
        ({"settled": YES}, "NOT_SETTLED", "11(2)"),
        ({"appealed": YES}, "NOT_APPEALED", "11(3)"),
        ({"elsewhere": YES}, "NOT_ELSEWHERE", "11(4)"),
    ],
)
def test_each_condition_that_is_not_fulfilled_refuses_by_its_article(
    changes: dict[str, Any], name: str, article: str
) -> None:
    bad = matter(**changes)
    assert (finding(bad, name), condition(bad, name).article.en) == ("NOT_FULFILLED", f"Order 35, art. {article}")
    assert verdict(bad) == "REFUSED"


@pytest.mark.parametrize("name", ["direct_interest", "appealed", "elsewhere"])
def test_what_nobody_was_asked_is_not_known_and_is_to_be_asked(name: str) -> None:
    unsaid = matter(None, **{name: UNSAID})
    kind = name.upper() if name == "direct_interest" else f"NOT_{name.upper()}"
    assert finding(unsaid, kind) == "NOT_KNOWN"
    assert condition(unsaid, kind).advice.en
    assert verdict(unsaid) == "INCOMPLETE"


@pytest.mark.parametrize(
    ("occurred", "months", "last"),
    [
        ("2026-03-15", 5, "2026-08-15"),
        ("2026-03-31", 5, "2026-08-31"),
        ("2025-09-30", 5, "2026-02-28"),  # no 30th of February
        ("2025-09-29", 5, "2026-02-28"),
        ("2023-09-29", 5, "2024-02-29"),
        ("2023-09-30", 5, "2024-02-29"),
        ("2026-08-01", 5, "2027-01-01"),
        ("2024-02-29", 24, "2026-02-28"),
        ("2022-02-28", 24, "2024-02-28"),
        ("2024-02-29", 48, "2028-02-29"),
    ],
)
def test_the_last_day_is_that_with_the_same_number_or_the_months_last(occurred: str, months: int, last: str) -> None:
    assert rules.last_day(date.fromisoformat(occurred), months) == date.fromisoformat(last)
    edge = datetime.fromisoformat(f"{last}T23:59:59+08:00")
    for now, told in ((edge, "FULFILLED"), (edge + timedelta(seconds=1), "NOT_FULFILLED")):
        assert finding(matter(occurred_date=occurred, months=months, now=now), "IN_TIME") == told


@given(DAYS, st.sampled_from([5, 24]))
def test_a_window_never_ends_before_as_many_short_months_nor_after_as_many_long_ones(day: date, months: int) -> None:
    last = rules.last_day(day, months)
    assert day + timedelta(days=28 * months) <= last <= day + timedelta(days=31 * months)
    assert last.day == day.day or (last + timedelta(days=1)).day == 1


@given(DAYS, DAYS, st.sampled_from([5, 24]))
def test_what_happened_later_can_be_appealed_at_least_as_long(one: date, other: date, months: int) -> None:
    earlier, later = sorted((one, other))
    assert rules.last_day(earlier, months) <= rules.last_day(later, months)


def test_where_nobody_says_when_it_happened_the_day_of_filing_is_the_latest() -> None:
    assert finding(matter(occurred_date=""), "IN_TIME") == "NOT_KNOWN"
    assert "2026-08-02" in condition(matter(occurred_date=""), "IN_TIME").ground.en
    too_late = matter(occurred_date="", now=at("2026-08-03 00:00"))
    assert finding(too_late, "IN_TIME") == "NOT_FULFILLED"
    assert finding(matter(occurred_date="", now=at("2026-08-03 00:00"), months=24), "IN_TIME") == "NOT_KNOWN"


def test_charges_have_a_window_of_their_own() -> None:
    assert rules.policy_of(CHARGES) == APPEAL_OF_CHARGES
    others = {rules.policy_of(each) for each in ComplaintClass.values() if each != CHARGES}
    assert others == {APPEAL_OF_OTHERS}


@pytest.mark.parametrize(
    ("found", "now", "told"),
    [
        (filed, at("2026-03-17 23:59"), "NOT_FULFILLED"),
        (filed, at("2026-03-18 00:00"), "FULFILLED"),  # the fifteenth day has ended
        (answered, FILED + 2 * DAY, "NOT_FULFILLED"),  # nobody has refused the answer
        (refused, FILED + 2 * DAY, "FULFILLED"),
        (lambda: answered(FILED + 16 * DAY), FILED + 17 * DAY, "FULFILLED"),  # it came too late
    ],
)
def test_the_operator_was_complained_to_in_vain(found: Callable[[], Complaint], now: datetime, told: str) -> None:
    assert finding(matter(found(), now=now), "COMPLAINED_BEFORE") == told


def test_who_asks_for_the_regulator_is_not_content_with_an_answer() -> None:
    assert finding(matter(answered(), now=FILED + 2 * DAY, customer_asks=True), "COMPLAINED_BEFORE") == "FULFILLED"
    early = matter(filed(), now=FILED + 2 * DAY, customer_asks=True)
    assert finding(early, "COMPLAINED_BEFORE") == "NOT_FULFILLED"
    assert "2026-03-18" in condition(early, "COMPLAINED_BEFORE").advice.en


def test_an_accepted_resolution_settles_it_once_it_is_carried_out() -> None:
    closed = answered()
    closed.state = complaint_rules.CLOSED
    told = {said: finding(matter(closed, settled=said), "NOT_SETTLED") for said in (UNSAID, YES, NO)}
    assert told == {UNSAID: "NOT_KNOWN", YES: "NOT_FULFILLED", NO: "FULFILLED"}
    assert finding(matter(settled=UNSAID), "NOT_SETTLED") == "FULFILLED"


@pytest.mark.parametrize("name", ["name", "address", "telephone", "postal_code"])
def test_material_that_is_missing_is_named_and_refuses_nothing(name: str) -> None:
    who = Appellant(name="张三", address="广州", telephone="139", postal_code="510000")
    who.ClearField(name)  # type: ignore[arg-type]  # of its four fields
    missing = matter(appellant=who)
    assert finding(missing, "COMPLETE_MATERIAL") == "NOT_FULFILLED"
    assert name.replace("_", " ") in condition(missing, "COMPLETE_MATERIAL").ground.en
    assert verdict(missing) == "INCOMPLETE"


def reason_at(found: Complaint, now: datetime, *, customer_asks: bool = False) -> tuple[str, dict[str, str]]:
    try:
        rules.require_exportable(found, now, ZoneInfo("Asia/Shanghai"), customer_asks=customer_asks)
    except Refused as refused_now:
        return Reason.Name(refused_now.reason).removeprefix("REASON_"), dict(refused_now.parameters)
    return "", {}


def test_the_regulator_is_next_at_level_five_after_the_laws_limit_or_where_the_customer_asks() -> None:
    assert reason_at(filed(), FILED + HOUR) == ("DOSSIER_NOT_YET", {"level": "1", "from": "2026-03-18 00:00 +08:00"})
    assert reason_at(filed(), at("2026-03-18 00:00")) == ("", {})
    assert reason_at(filed(), FILED + HOUR, customer_asks=True) == ("", {})
    assert reason_at(answered(), LATE) == ("DOSSIER_ANSWERED", {})
    raised = refused()
    escalation.ask_for_regulator(raised, FILED + 2 * DAY, "sichuan")
    assert reason_at(raised, FILED + 2 * DAY) == ("", {})


@pytest.mark.parametrize(
    ("statements", "field"),
    [
        (DossierStatements(occurred_date="2026-03-03"), "statements.occurred_date"),  # after it was filed
        (DossierStatements(occurred_date="2026-02-30"), "statements.occurred_date"),
        (DossierStatements(occurred_date="20260301"), "statements.occurred_date"),
        (DossierStatements(settled=7), "statements.settled"),  # type: ignore[arg-type]
    ],
)
def test_what_staff_say_has_to_be_possible(statements: DossierStatements, field: str) -> None:
    with pytest.raises(Refused) as told:
        rules.require_statements(statements, Appellant(), date(2026, 3, 2))
    assert told.value.parameters["field"] == field
    assert rules.require_statements(DossierStatements(), Appellant(), date(2026, 3, 2)) is None
