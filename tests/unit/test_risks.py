"""A risk through signals and decisions: raised once, reopened, lowered, assessed, planned, reviewed and closed."""

import logging
from datetime import UTC, datetime, timedelta

import pytest

from coordinator.risks import rules
from coordinator.risks.reviews import ReviewNotifier
from coordinator.risks.rules import Signal
from deploy.local.federation import FEDERATION_FILES
from gateway.api.coordinator.v1 import risk_service_pb2 as contract
from gateway.api.coordinator.v1.risk_service_pb2 import Risk, RiskAct, RiskState
from gateway.api.federation.v1.risk_pb2 import RiskRules, RiskSource
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.files import load
from gateway.time.clock import from_timestamp, to_timestamp

SCALES = load(FEDERATION_FILES).risks
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
LOST = Signal(RiskSource.RISK_SOURCE_REGION_LOST, "sichuan", "sichuan", "silent since noon")
ADMIN = "admin/root"


def lost() -> Risk:
    return ready(rules.raised(None, LOST, SCALES, NOW))


def ready(risk: Risk | None) -> Risk:
    assert risk is not None, "something was to change"
    return risk


def changed(risk: Risk, at: datetime = LATER, note: str = "n", **change: object) -> Risk | None:
    request = contract.ChangeRiskRequest(risk_id=risk.id, note=note, **change)  # type: ignore[arg-type]
    rules.require_change(request, at)
    return rules.changed(risk, request, ADMIN, SCALES, at)


def refusal_of(request: contract.ChangeRiskRequest) -> Reason.ValueType | None:
    try:
        rules.require_change(request, NOW)
    except Refused as refused:
        return refused.reason
    return None


def closing() -> contract.RiskClosing:
    return contract.RiskClosing()


def acts(risk: Risk) -> list[str]:
    return [RiskAct.Name(each.act).removeprefix("RISK_ACT_") for each in risk.history]


def test_a_signal_raises_its_risk_with_the_grades_and_the_owner_of_the_configuration() -> None:
    risk = lost()
    assert (risk.id, risk.likelihood, risk.impact) == ("region-lost/sichuan", 5, 4)
    assert (risk.owner_region, risk.owner_department) == ("sichuan", "NETWORK_OPERATIONS")
    assert (risk.state, risk.signal_lasts, acts(risk)) == (RiskState.RISK_STATE_OPEN, True, ["SIGNAL_BEGAN"])
    assert from_timestamp(risk.review_due_time) == NOW + timedelta(days=7), "an extreme one is reviewed in a week"


def test_a_signal_that_lasts_raises_its_risk_once() -> None:
    assert rules.raised(lost(), LOST._replace(detail="still silent"), SCALES, LATER) is None


def test_a_signal_that_is_not_configured_raises_nothing() -> None:
    assert rules.raised(None, LOST, RiskRules(), NOW) is None


def test_a_signal_that_grows_graver_counts_once_more_and_one_that_does_not_leaves_the_assessment() -> None:
    accident = Signal(RiskSource.RISK_SOURCE_ACCIDENT, "sichuan", "sichuan", "ordinary", impact=2)
    risk = ready(rules.raised(None, accident, SCALES, NOW))
    graver = ready(rules.raised(risk, accident._replace(impact=5), SCALES, LATER))
    assert (risk.impact, graver.impact, graver.signals) == (2, 5, 1)
    assessed = ready(changed(graver, assess=contract.RiskAssessment(likelihood=5, impact=3)))
    assert rules.raised(assessed, accident._replace(impact=5), SCALES, LATER) is None


def test_the_end_of_a_signal_lowers_the_likelihood_once_and_leaves_the_risk_open() -> None:
    risk = ready(rules.calmed(lost(), SCALES, LATER))
    assert (risk.likelihood, risk.impact, risk.state) == (3, 4, RiskState.RISK_STATE_OPEN)
    assert rules.calmed(risk, SCALES, LATER) is None
    assert rules.calmed(None, SCALES, LATER) is None


def test_a_signal_reopens_a_closed_risk_and_leaves_an_accepted_one_accepted() -> None:
    calm = ready(rules.calmed(lost(), SCALES, LATER))
    for decided, after in (
        (changed(calm, close=closing()), RiskState.RISK_STATE_OPEN),
        (changed(calm, plan=contract.RiskPlan()), RiskState.RISK_STATE_ACCEPTED),
    ):
        risk = ready(rules.raised(decided, LOST, SCALES, LATER))
        assert (risk.state, risk.likelihood, risk.signals) == (after, 5, 2)
        assert risk.HasField("review_due_time")


def test_a_risk_is_not_closed_while_its_signal_lasts_and_not_changed_once_closed() -> None:
    with pytest.raises(Refused) as lasts:
        changed(lost(), close=closing())
    assert lasts.value.reason == Reason.REASON_RISK_SIGNAL_LASTS
    closed = ready(changed(ready(rules.calmed(lost(), SCALES, LATER)), close=closing()))
    with pytest.raises(Refused) as over:
        changed(closed, assess=contract.RiskAssessment(likelihood=1, impact=1))
    assert over.value.reason == Reason.REASON_RISK_CLOSED


def test_each_decision_that_is_repeated_changes_nothing() -> None:
    due = to_timestamp(LATER + timedelta(days=30))
    decisions = (
        contract.ChangeRiskRequest(note="n", assess=contract.RiskAssessment(likelihood=1, impact=2)),
        contract.ChangeRiskRequest(note="n", plan=contract.RiskPlan(plan="a second site", due_time=due)),
        contract.ChangeRiskRequest(note="n", review=contract.RiskReview()),
        contract.ChangeRiskRequest(note="n", close=closing()),
    )
    calm = ready(rules.calmed(lost(), SCALES, LATER))
    twice = [
        change
        for change in decisions
        if rules.changed(ready(rules.changed(calm, change, ADMIN, SCALES, LATER)), change, ADMIN, SCALES, LATER)
    ]
    assert twice == []


def test_a_later_review_with_the_same_note_is_a_review_of_its_own() -> None:
    reviewed = ready(changed(lost(), review=contract.RiskReview()))
    again = ready(changed(reviewed, LATER + timedelta(days=7), review=contract.RiskReview()))
    assert len(again.history) == len(reviewed.history) + 1
    next_due = to_timestamp(LATER + timedelta(days=60))
    assert ready(changed(again, review=contract.RiskReview(next_due_time=next_due))).review_due_time == next_due


def test_a_signal_that_the_configuration_has_lost_is_found() -> None:
    none = RiskRules()
    assert (rules.unruled([lost()], none), rules.unruled([lost()], SCALES)) == ([lost().id], [])
    assert rules.unruled([ready(rules.calmed(lost(), none, LATER))], none) == []


def test_a_plan_treats_a_risk_and_none_accepts_it() -> None:
    due = to_timestamp(LATER + timedelta(days=30))
    plan = contract.RiskPlan(owner_region="henan", plan="a second site", due_time=due)
    treated = ready(changed(lost(), plan=plan))
    assert (treated.state, treated.owner_region, treated.plan) == (RiskState.RISK_STATE_TREATED, "henan", plan.plan)
    assert not rules.overdue(treated, LATER)
    accepted = ready(changed(treated, plan=contract.RiskPlan()))
    assert (accepted.state, accepted.plan, accepted.HasField("plan_due_time")) == (
        RiskState.RISK_STATE_ACCEPTED,
        "",
        False,
    )


def test_a_missed_review_and_a_late_plan_are_overdue_until_a_review_or_the_end() -> None:
    risk, after = lost(), NOW + timedelta(days=8)
    assert (list(rules.overdue(risk, LATER)), list(rules.overdue(risk, after))) == ([], ["review"])
    reviewed = ready(changed(risk, after, review=contract.RiskReview()))
    assert not rules.overdue(reviewed, after)
    assert rules.overdue(reviewed, after + timedelta(days=8))
    calm = ready(rules.calmed(reviewed, SCALES, after))
    assert not rules.overdue(ready(changed(calm, after, close=closing())), after + timedelta(days=99))
    due = to_timestamp(LATER + timedelta(days=1))
    planned = ready(changed(risk, plan=contract.RiskPlan(plan="a second site", due_time=due)))
    assert list(rules.overdue(planned, LATER + timedelta(days=2))) == ["plan"]
    assert list(rules.overdue(planned, LATER + timedelta(days=30))) == ["review", "plan"]


@pytest.mark.clause("11.4")
def test_each_plan_counts_once_as_in_time_or_as_late_and_an_overdue_one_at_once() -> None:
    def planned(risk: Risk, at: datetime, days: int) -> Risk:
        due = to_timestamp(at + timedelta(days=days))
        return ready(changed(risk, at, plan=contract.RiskPlan(plan=f"until day {days}", due_time=due)))

    def counted(risk: Risk, at: datetime) -> tuple[int, int]:
        plans = rules.plans_of([risk, lost()], "sichuan", at)
        assert rules.plans_of([risk], "henan", at) == contract.RiskPlans(), "a risk of another region"
        return plans.in_time, plans.late

    first = planned(lost(), LATER, 10)
    postponed = planned(first, LATER, 20)
    assert counted(postponed, LATER) == (0, 0), "one that was planned anew in time is still to be judged"
    late = LATER + timedelta(days=21)
    assert counted(postponed, late) == (0, 1)
    again = planned(postponed, late, 5)
    assert counted(again, late) == (0, 1), "the overdue plan is late, the one that follows is not"
    calm = ready(rules.calmed(again, SCALES, late))
    closed = ready(changed(calm, late, close=closing()))
    assert counted(closed, late + timedelta(days=99)) == (1, 1)
    assert changed(closed, late, close=closing()) is None, "the same decision counts no plan again"
    reopened = ready(rules.raised(closed, LOST, SCALES, late))
    calm = ready(rules.calmed(reopened, SCALES, late))
    assert counted(ready(changed(calm, late, close=closing())), late) == (1, 1), "no plan was made since"
    accepted = ready(changed(postponed, late, plan=contract.RiskPlan()))
    assert counted(accepted, late) == (0, 1), "who accepts a risk behind the due time of its plan, was late"
    assert counted(ready(changed(first, plan=contract.RiskPlan())), late) == (0, 0), "one given up in time"


def test_an_overdue_plan_is_a_warning_also_where_the_review_is_overdue_already(
    caplog: pytest.LogCaptureFixture,
) -> None:
    plan = contract.RiskPlan(plan="a second site", due_time=to_timestamp(NOW + timedelta(days=20)))
    risk, notifier = ready(changed(lost(), plan=plan)), ReviewNotifier()
    with caplog.at_level(logging.WARNING, "coordinator.risks.reviews"):
        for days in (6, 8, 9, 21, 22):
            notifier.take([risk], NOW + timedelta(days=days))
        notifier.take([ready(changed(risk, NOW + timedelta(days=22), review=contract.RiskReview()))], NOW)
    told = [each.getMessage() for each in caplog.records]
    assert told == [f"the risk {risk.id} has an overdue {name}: score 20" for name in ("review", "plan")]


def test_an_assessment_brings_a_review_forward_and_never_postpones_it() -> None:
    low = ready(changed(lost(), assess=contract.RiskAssessment(likelihood=1, impact=1)))
    assert low.review_due_time == lost().review_due_time


def test_a_risk_by_hand_is_added_once_and_its_id_has_one_content() -> None:
    request = contract.AddRiskRequest(
        request_id="r-1", title="one supplier", likelihood=2, impact=5, owner_region="henan", owner_department="X"
    )
    risk = ready(rules.added(None, request, ADMIN, SCALES, NOW))
    assert (risk.id, rules.score(risk), acts(risk)) == ("administrator/r-1", 10, ["ADDED"])
    assert rules.added(risk, request, ADMIN, SCALES, LATER) is None
    assessed = ready(changed(risk, assess=contract.RiskAssessment(likelihood=1, impact=1)))
    assert rules.added(assessed, request, ADMIN, SCALES, LATER) is None, "a later decision is no other content"
    request.impact = 4
    with pytest.raises(Refused) as reused:
        rules.added(risk, request, ADMIN, SCALES, LATER)
    assert reused.value.reason == Reason.REASON_REQUEST_ID_REUSED


def test_the_history_keeps_its_first_and_its_latest_entries() -> None:
    risk = lost()
    for _ in range(rules.MOST_ENTRIES):
        risk = ready(rules.raised(ready(rules.calmed(risk, SCALES, LATER)), LOST, SCALES, LATER))
    assert len(risk.history) == rules.MOST_ENTRIES
    assert from_timestamp(risk.history[0].create_time) == NOW
    assert risk.signals == rules.MOST_ENTRIES + 1


def test_risks_are_listed_with_the_highest_score_first_and_closed_ones_if_asked_for() -> None:
    calm = ready(rules.calmed(lost(), SCALES, LATER))
    closed = ready(changed(ready(rules.calmed(lost(), SCALES, LATER)), close=closing()))
    closed.id, other = "region-lost/henan", lost()
    other.id, other.owner_region = "region-lost/guangdong", "guangdong"

    def listed(**asked: object) -> list[str]:
        found = rules.listed([calm, closed, other], contract.ListRisksRequest(**asked), LATER)  # type: ignore[arg-type]
        assert not any(each.history for each in found)
        return [each.id.removeprefix("region-lost/") for each in found]

    assert listed() == ["guangdong", "sichuan"]
    assert listed(include_closed=True) == ["guangdong", "henan", "sichuan"]
    assert listed(region="guangdong") == ["guangdong"]
    assert listed(overdue=True) == []


def test_each_impossible_request_is_refused() -> None:
    soon, past = to_timestamp(LATER), to_timestamp(NOW - timedelta(hours=1))
    impossible: dict[str, contract.ChangeRiskRequest] = {
        "nothing": contract.ChangeRiskRequest(note="n"),
        "no reason": contract.ChangeRiskRequest(close=closing()),
        "a grade of 6": contract.ChangeRiskRequest(note="n", assess=contract.RiskAssessment(likelihood=6, impact=1)),
        "a plan without its time": contract.ChangeRiskRequest(plan=contract.RiskPlan(plan="p")),
        "a time without a plan": contract.ChangeRiskRequest(note="n", plan=contract.RiskPlan(due_time=soon)),
        "a plan in the past": contract.ChangeRiskRequest(plan=contract.RiskPlan(plan="p", due_time=past)),
        "a review in the past": contract.ChangeRiskRequest(note="n", review=contract.RiskReview(next_due_time=past)),
        "a long note": contract.ChangeRiskRequest(note="n" * 1001, close=closing()),
    }
    refusals = {name: refusal_of(request) for name, request in impossible.items()}
    assert refusals == dict.fromkeys(impossible, Reason.REASON_REQUEST_INVALID)
