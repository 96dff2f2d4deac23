"""A risk through signals and decisions of people: its states, its assessment, its reviews. Pure.

The scales follow the consequence/likelihood matrix of IEC 31010; their definitions are data of the federation.
"""

import re
from collections.abc import Iterable
from copy import deepcopy
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.api.coordinator.v1 import risk_service_pb2 as contract
from gateway.api.coordinator.v1.risk_service_pb2 import Risk, RiskAct, RiskEntry, RiskPlans, RiskState
from gateway.api.federation.v1.risk_pb2 import RiskBand, RiskRules, RiskSignal, RiskSource
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.federation.risk_rules import GRADES
from gateway.time.clock import EPOCH, from_timestamp, to_timestamp

OPEN, TREATED, ACCEPTED, CLOSED = (
    RiskState.RISK_STATE_OPEN,
    RiskState.RISK_STATE_TREATED,
    RiskState.RISK_STATE_ACCEPTED,
    RiskState.RISK_STATE_CLOSED,
)
MOST_ENTRIES = 100
_TITLE_LIMIT = 200  # characters
_TEXT_LIMIT = 1000  # characters
_LONGEST = timedelta(days=1830)  # until a review or the end of a plan
_REPEATED = timedelta(hours=1)  # a request comes again within it
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_OF_ADMINISTRATORS = "administrator/"


class Signal(NamedTuple):
    """A signal that lasts."""

    source: RiskSource.ValueType
    subject: str
    """One id for the source, for example `sichuan` or `guangdong/NET_SPEED`."""
    region: str
    """The region that owns the risk; empty for none."""
    detail: str
    """Figures, without a text about a customer."""
    impact: int = 0
    """Impact, 1 to 5; 0 for that of the configuration."""

    @property
    def risk_id(self) -> str:
        """The id of the risk that it raises."""
        return f"{source_name(self.source)}/{self.subject}"

    def is_other_than(self, risk: Risk) -> bool:
        """Whether it is another finding than that of a risk. A broken audit chain alone has its subject as detail.

        The detail of an accident is its problem.
        """
        if self.source == RiskSource.RISK_SOURCE_ACCIDENT:
            return self.detail != risk.signal_detail
        return (self.detail == self.subject) != (risk.signal_detail == self.subject)


def source_name(source: RiskSource.ValueType) -> str:
    """The source in ids: `region-lost`."""
    return RiskSource.Name(source).removeprefix("RISK_SOURCE_").lower().replace("_", "-")


def score(risk: Risk) -> int:
    """Likelihood times impact, 1 to 25."""
    return risk.likelihood * risk.impact


def band_of(rules: RiskRules, points: int) -> RiskBand:
    """The band of a product of likelihood and impact."""
    return max((each for each in rules.bands if each.least_score <= points), key=lambda each: each.least_score)


def rule_of(rules: RiskRules, source: RiskSource.ValueType) -> RiskSignal | None:
    """The configured signal of a source; None if it raises no risk."""
    return next((each for each in rules.signals if each.source == source), None)


def raised(before: Risk | None, signal: Signal, rules: RiskRules, now: datetime) -> Risk | None:
    """The risk with a signal that lasts; None where the risk has it already, or the source raises none.

    A signal that has grown graver than at its begin counts once more, and so does another finding.
    """
    rule = rule_of(rules, signal.source)
    impact = signal.impact or (rule.impact if rule is not None else 0)
    if rule is None or (
        before is not None
        and before.signal_lasts
        and impact <= before.signal_impact
        and not signal.is_other_than(before)
    ):
        return None
    after = deepcopy(before) if before is not None else _new(signal.risk_id, signal.source, rule.department, now)
    after.subject, after.signal_detail, after.signal_impact = signal.subject, signal.detail, impact
    after.owner_region = after.owner_region or signal.region
    after.signals += not after.signal_lasts
    after.signal_lasts = True
    after.likelihood, after.impact = max(after.likelihood, rule.likelihood), max(after.impact, impact)
    if after.state == CLOSED:
        after.state = OPEN
    _advance_review(after, rules, now)
    return _noted(after, RiskEntry(act=RiskAct.RISK_ACT_SIGNAL_BEGAN, note=signal.detail), now)


def calmed(before: Risk | None, rules: RiskRules, now: datetime) -> Risk | None:
    """The risk after the end of its signal; None where none lasts."""
    if before is None or not before.signal_lasts:
        return None
    after, rule = deepcopy(before), rule_of(rules, before.source)
    after.signal_lasts, after.signal_impact = False, 0
    if rule is not None:
        after.likelihood = min(after.likelihood, rule.likelihood_after)
    return _noted(after, RiskEntry(act=RiskAct.RISK_ACT_SIGNAL_ENDED), now)


def changed_finding(risk: Risk | None, detail: str) -> datetime:
    """When a signal with a detail began or ended last; the begin of the calendar where none ever did.

    A signal with another detail ends it, too.
    """
    found, lasts = EPOCH, False
    for each in risk.history if risk is not None else ():
        if each.act in (RiskAct.RISK_ACT_SIGNAL_BEGAN, RiskAct.RISK_ACT_SIGNAL_ENDED):
            begins = each.act == RiskAct.RISK_ACT_SIGNAL_BEGAN and each.note == detail
            found = from_timestamp(each.create_time) if begins or lasts else found
            lasts = begins
    return found


def unruled(risks: Iterable[Risk], rules: RiskRules) -> list[str]:
    """The ids of risks with a signal that the configuration does not have any more: nothing else would end it."""
    return [each.id for each in risks if each.signal_lasts and rule_of(rules, each.source) is None]


def added(
    before: Risk | None, request: contract.AddRiskRequest, administrator: str, rules: RiskRules, now: datetime
) -> Risk | None:
    """The risk that a person adds; None for a repeated request.

    Raises Refused with REQUEST_ID_REUSED for another content under the same request id.
    """
    asked = RiskEntry(
        administrator=administrator,
        act=RiskAct.RISK_ACT_ADDED,
        note=f"{request.owner_region} {request.owner_department}",
        state=OPEN,
        likelihood=request.likelihood,
        impact=request.impact,
    )
    if before is not None:
        if before.title == request.title and _without_time(before.history[0]) == asked:
            return None
        raise Refused(Reason.REASON_REQUEST_ID_REUSED)
    after = _new(added_id(request), RiskSource.RISK_SOURCE_ADMINISTRATOR, request.owner_department, now)
    after.title, after.owner_region = request.title, request.owner_region
    after.likelihood, after.impact = request.likelihood, request.impact
    _advance_review(after, rules, now)
    return _noted(after, asked, now)


def added_id(request: contract.AddRiskRequest) -> str:
    """The id of a risk that a person adds."""
    return f"{_OF_ADMINISTRATORS}{request.request_id}"


def require_added(request: contract.AddRiskRequest) -> None:
    """Raises Refused with REQUEST_INVALID for an impossible request."""
    if not _REQUEST_ID.fullmatch(request.request_id):
        raise invalid(
            "request_id", "not 1 to 64 characters of [A-Za-z0-9._-]", "须为1至64个字符，限A-Z、a-z、0-9、.、_、-"
        )
    _require_text("title", request.title, _TITLE_LIMIT, is_required=True)
    _require_grades(request)


def require_change(request: contract.ChangeRiskRequest, now: datetime) -> None:
    """Raises Refused with REQUEST_INVALID for an impossible change."""
    match request.WhichOneof("change"):
        case "assess":
            _require_grades(request.assess)
        case "plan":
            _require_text("plan.plan", request.plan.plan, _TEXT_LIMIT, is_required=bool(request.plan.plan))
            if bool(request.plan.plan) != request.plan.HasField("due_time"):
                raise invalid("plan.due_time", "a plan has one, and no accepted risk", "计划必填，接受风险时不填")
            if request.plan.plan:
                _require_time("plan.due_time", from_timestamp(request.plan.due_time), now)
        case "review":
            if request.review.HasField("next_due_time"):
                _require_time("review.next_due_time", from_timestamp(request.review.next_due_time), now)
        case None:
            raise invalid("change", "is missing", "缺失")
    is_required = not (request.HasField("plan") and request.plan.plan)
    _require_text("note", request.note, _TEXT_LIMIT, is_required=is_required)


def changed(
    before: Risk, request: contract.ChangeRiskRequest, administrator: str, rules: RiskRules, now: datetime
) -> Risk | None:
    """The risk after a decision; None for the decision that it has already.

    Raises Refused with RISK_CLOSED or RISK_SIGNAL_LASTS.
    """
    after = deepcopy(before)
    act = _decide(after, request, rules, now)
    _judge_plan(before, after, act, now)
    entry = RiskEntry(administrator=administrator, act=act, note=request.note)
    done = _noted(deepcopy(after), entry, now)
    is_repeat = _without_time(before.history[-1]) == _without_time(done.history[-1])
    if is_repeat and _settled(before) == _settled(done) and _reviewed(before, done):
        return None
    if before.state == CLOSED:
        raise Refused(Reason.REASON_RISK_CLOSED, risk=before.id)
    if act == RiskAct.RISK_ACT_CLOSED and before.signal_lasts:
        raise Refused(Reason.REASON_RISK_SIGNAL_LASTS, risk=before.id, detail=before.signal_detail)
    return done


def overdue(risk: Risk, now: datetime) -> dict[str, datetime]:
    """The missed due times of a risk, by `review` and `plan`; empty for a closed one."""
    due = {"review": from_timestamp(risk.review_due_time)} if risk.state != CLOSED else {}
    if risk.state == TREATED:
        due["plan"] = from_timestamp(risk.plan_due_time)
    return {name: time for name, time in due.items() if time < now}


def plans_of(risks: Iterable[Risk], region: str, now: datetime) -> RiskPlans:
    """The plans of all risks of a region, or of every one for an empty name, by whether they ended in time.

    An overdue plan is late already, so that nobody improves the figure by leaving it open.
    """
    plans = RiskPlans()
    for each in risks:
        if region in ("", each.owner_region):
            plans.in_time += each.plans_in_time
            plans.late += each.plans_late + ("plan" in overdue(each, now))
    return plans


def listed(risks: Iterable[Risk], asked: contract.ListRisksRequest, now: datetime) -> list[Risk]:
    """The risks of a filter, the highest product of likelihood and impact first.

    Of their histories they have the signal before alone.
    """
    found = (
        each
        for each in risks
        if (asked.include_closed or each.state != CLOSED)
        and asked.region in ("", each.owner_region)
        and (not asked.overdue or overdue(each, now))
    )
    return [_short(each) for each in sorted(found, key=place)]


def place(risk: Risk) -> str:
    """The key of a risk's place in lists."""
    return f"{GRADES * GRADES - score(risk):02} {risk.id}"


def _new(risk_id: str, source: RiskSource.ValueType, department: str, now: datetime) -> Risk:
    return Risk(id=risk_id, source=source, state=OPEN, owner_department=department, create_time=to_timestamp(now))


def _decide(after: Risk, request: contract.ChangeRiskRequest, rules: RiskRules, now: datetime) -> RiskAct.ValueType:
    """Applies a decision to a risk, and returns its kind."""
    match request.WhichOneof("change"):
        case "assess":
            after.likelihood, after.impact = request.assess.likelihood, request.assess.impact
            _advance_review(after, rules, now)
            return RiskAct.RISK_ACT_ASSESSED
        case "plan":
            plan = request.plan
            after.owner_region = plan.owner_region or after.owner_region
            after.owner_department = plan.owner_department or after.owner_department
            after.plan, after.state = plan.plan, TREATED if plan.plan else ACCEPTED
            after.ClearField("plan_due_time")
            if plan.HasField("due_time"):
                after.plan_due_time.CopyFrom(plan.due_time)
            return RiskAct.RISK_ACT_PLANNED
        case "review":
            after.review_due_time.CopyFrom(to_timestamp(_next_review(after, rules, now)))
            if request.review.HasField("next_due_time"):
                after.review_due_time.CopyFrom(request.review.next_due_time)
            return RiskAct.RISK_ACT_REVIEWED
    after.state = CLOSED
    after.ClearField("review_due_time")
    return RiskAct.RISK_ACT_CLOSED


def _judge_plan(before: Risk, after: Risk, act: RiskAct.ValueType, now: datetime) -> None:
    """Counts a plan that ends with the risk, or that something follows though it is overdue."""
    is_late = "plan" in overdue(before, now)
    if is_late and act in (RiskAct.RISK_ACT_PLANNED, RiskAct.RISK_ACT_CLOSED):
        after.plans_late += 1
    elif before.state == TREATED and act == RiskAct.RISK_ACT_CLOSED:
        after.plans_in_time += 1


def _next_review(risk: Risk, rules: RiskRules, now: datetime) -> datetime:
    return now + band_of(rules, score(risk)).review_interval.ToTimedelta()


def _advance_review(risk: Risk, rules: RiskRules, now: datetime) -> None:
    """A risk that has grown is reviewed earlier; no assessment postpones a review."""
    following = _next_review(risk, rules, now)
    if not risk.HasField("review_due_time") or from_timestamp(risk.review_due_time) > following:
        risk.review_due_time.CopyFrom(to_timestamp(following))


def _noted(risk: Risk, entry: RiskEntry, now: datetime) -> Risk:
    """The risk with an entry; of too many the first one stays, which tells how the risk began."""
    own = RiskEntry()
    own.CopyFrom(entry)
    own.create_time.CopyFrom(to_timestamp(now))
    own.state, own.likelihood, own.impact = risk.state, risk.likelihood, risk.impact
    risk.history.append(own)
    if len(risk.history) > MOST_ENTRIES:
        del risk.history[1]
    risk.version += 1
    return risk


def _settled(risk: Risk) -> tuple[object, ...]:
    """The decided fields of a risk."""
    due = risk.plan_due_time.ToNanoseconds()
    owner = (risk.owner_region, risk.owner_department)
    return risk.state, risk.likelihood, risk.impact, owner, risk.plan, due


def _reviewed(before: Risk, done: Risk) -> bool:
    """Whether a risk has the next review of a decision already, but for the time that a repeated request takes."""
    before_time, done_time = from_timestamp(before.review_due_time), from_timestamp(done.review_due_time)
    return abs(done_time - before_time) < _REPEATED


def _without_time(entry: RiskEntry) -> RiskEntry:
    own = RiskEntry()
    own.CopyFrom(entry)
    own.ClearField("create_time")
    return own


def _short(risk: Risk) -> Risk:
    short = deepcopy(risk)
    present = risk.signal_detail if risk.signal_lasts else ""
    began = (each.note for each in reversed(risk.history) if each.act == RiskAct.RISK_ACT_SIGNAL_BEGAN)
    short.signal_before = next((each for each in began if each != present), "")
    del short.history[:]
    return short


def _require_grades(asked: contract.AddRiskRequest | contract.RiskAssessment) -> None:
    for field, grade in (("likelihood", asked.likelihood), ("impact", asked.impact)):
        if not 1 <= grade <= GRADES:
            raise invalid(field, f"not 1 to {GRADES}", f"须为1至{GRADES}")


def _require_time(field: str, asked: datetime, now: datetime) -> None:
    if not now < asked <= now + _LONGEST:
        raise invalid(field, f"not within {_LONGEST.days} days from now", f"须在今后{_LONGEST.days}天内")


def _require_text(field: str, text: str, limit: int, *, is_required: bool = False) -> None:
    if len(text) > limit or (is_required and not text.strip()):
        raise invalid(field, f"not {int(is_required)} to {limit} characters", f"须为{int(is_required)}至{limit}个字符")
