"""The conditions of an appeal to the regulator (Order 35 of 2016, art. 10 to 12), and its earliest time. Pure.

The records fulfil a condition, or the statements of staff where no record can. Without either a condition is unknown.
An appeal with an unknown condition is incomplete, neither good nor bad.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.configuration_pb2 import ComplaintClass
from gateway.api.region.v1.complaint_pb2 import Complaint, EscalationTrigger
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
from gateway.errors import Refused, invalid
from gateway.federation.complaint_rules import APPEAL_OF_CHARGES, APPEAL_OF_OTHERS
from gateway.time.clock import from_timestamp, time_in
from gateway.values.lists import joined
from region_node.care.complaints import rules as complaint_rules
from region_node.node.terms import add_months
from region_node.requests.checks import require_length

FULFILLED, NOT_FULFILLED = DossierFinding.DOSSIER_FINDING_FULFILLED, DossierFinding.DOSSIER_FINDING_NOT_FULFILLED
NOT_KNOWN = DossierFinding.DOSSIER_FINDING_NOT_KNOWN
ACCEPTABLE = DossierVerdict.DOSSIER_VERDICT_ACCEPTABLE
REFUSED, INCOMPLETE = DossierVerdict.DOSSIER_VERDICT_REFUSED, DossierVerdict.DOSSIER_VERDICT_INCOMPLETE
REGULATOR_LEVEL = 5
_YES, _NO = Statement.STATEMENT_YES, Statement.STATEMENT_NO
_ASKED = EscalationTrigger.ESCALATION_TRIGGER_CUSTOMER_ASKED
_MATERIAL = DossierConditionKind.DOSSIER_CONDITION_KIND_COMPLETE_MATERIAL
_TEXT_LIMIT = 200


@dataclass(frozen=True)
class Matter:
    """The subject of an appeal."""

    complaint: Complaint = field(repr=False)
    complaint_class: ComplaintClass.ValueType
    appellant: Appellant = field(repr=False)
    statements: DossierStatements = field(repr=False)
    customer_asks: bool
    respondent: LocalizedText = field(repr=False)
    """The company of the owner region."""
    months: int
    """How long ago it may have happened."""
    time_zone: str
    now: datetime

    @property
    def today(self) -> date:
        """The day on which the appeal would be made."""
        return self.day_of(self.now)

    def day_of(self, instant: datetime) -> date:
        """The day of an instant in the region."""
        return instant.astimezone(ZoneInfo(self.time_zone)).date()

    @property
    def wants_regulator(self) -> bool:
        """Whether the customer has requested the regulator, now or before."""
        return self.customer_asks or any(each.trigger == _ASKED for each in self.complaint.escalations)


def respondents(complaint: Complaint) -> Sequence[str]:
    """The regions whose company is the respondent (art. 9): the owner region.

    For a case it is the home region, and without one, the regions of the work items. The lead is no reason.
    """
    if not complaint.items:
        return [complaint.owner_region]
    if complaint.home_region:
        return [complaint.home_region]
    at_work = dict.fromkeys(each.region for each in complaint.items if each.region and not each.HasField("returned"))
    return list(at_work)


def policy_of(complaint_class: ComplaintClass.ValueType) -> str:
    """The policy with the longest age of a matter of a class (art. 11(1))."""
    return APPEAL_OF_CHARGES if complaint_class == ComplaintClass.COMPLAINT_CLASS_CHARGES else APPEAL_OF_OTHERS


def last_day(occurred: date, months: int) -> date:
    """The last day for an appeal: the same day number, or a shorter month's last day.

    Civil Code, art. 201 and 202.
    """
    return add_months(occurred, months)


def require_exportable(complaint: Complaint, now: datetime, zone: ZoneInfo, *, customer_asks: bool) -> None:
    """Raises Refused with DOSSIER_NOT_YET, with a time in `zone`, or with DOSSIER_ANSWERED.

    The regulator must be next.
    """
    if customer_asks or complaint.level >= REGULATOR_LEVEL or is_unanswered(complaint, now):
        return
    due = _legal_due(complaint)
    if due is None or due <= now or _answered_in_time(complaint):
        raise Refused(Reason.REASON_DOSSIER_ANSWERED)
    raise Refused(Reason.REASON_DOSSIER_NOT_YET, **{"level": str(complaint.level), "from": time_in(zone, due)})


def require_statements(statements: DossierStatements, appellant: Appellant, filed: date) -> date | None:
    """The day of the event; None for an unknown one. Raises Refused with REQUEST_INVALID for an impossible one."""
    for name in ("name", "address", "telephone", "postal_code"):
        require_length(f"appellant.{name}", getattr(appellant, name), _TEXT_LIMIT)
    for name in ("direct_interest", "settled", "appealed", "elsewhere"):
        if getattr(statements, name) not in Statement.values():
            raise invalid(f"statements.{name}", "neither yes nor no", "须为是或否")
    if not statements.occurred_date:
        return None
    try:
        occurred = date.fromisoformat(statements.occurred_date)
    except ValueError:
        occurred = None
    if occurred is None or statements.occurred_date != occurred.isoformat() or occurred > filed:
        raise invalid(
            "statements.occurred_date",
            f"not a day as YYYY-MM-DD up to {filed}, when it was filed",
            f"须为YYYY-MM-DD格式的日期，不晚于投诉日{filed}",
        )
    return occurred


def is_unanswered(complaint: Complaint, now: datetime) -> bool:
    """Whether the law's limit has passed without an answer, or before one came."""
    due = _legal_due(complaint)
    return due is not None and not _answered_in_time(complaint) and now >= due and not _withdrawn(complaint)


def conditions(matter: Matter) -> Sequence[DossierCondition]:
    """Each condition singly, in the order of the articles."""
    checks: Sequence[Callable[[Matter], DossierCondition]] = (
        _direct_interest,
        _definite_respondent,
        _specific_request,
        _complained_before,
        _in_time,
        _not_settled,
        _not_appealed,
        _not_elsewhere,
        _complete_material,
    )
    return [each(matter) for each in checks]


def verdict(found: Sequence[DossierCondition]) -> DossierVerdict.ValueType:
    """The likely verdict of an appeal body. Missing material can be supplied, and refuses nothing."""
    if any(each.finding == NOT_FULFILLED and each.kind != _MATERIAL for each in found):
        return REFUSED
    return ACCEPTABLE if all(each.finding == FULFILLED for each in found) else INCOMPLETE


def _direct_interest(matter: Matter) -> DossierCondition:
    kind = DossierConditionKind.DOSSIER_CONDITION_KIND_DIRECT_INTEREST
    match matter.statements.direct_interest:
        case Statement.STATEMENT_YES:
            return _found(
                kind, FULFILLED, ("申诉人与申诉事项有直接利害关系。", "Whoever appeals is concerned directly.")
            )
        case Statement.STATEMENT_NO:
            advice = (
                "请由号码的机主本人申诉，或提交其书面授权。",
                "Have the holder of the number appeal, or sign an authorisation.",
            )
            return _found(
                kind,
                NOT_FULFILLED,
                ("申诉人与申诉事项无直接利害关系。", "Whoever appeals is not concerned directly."),
                advice,
            )
    advice = (
        "请确认申诉人是否为号码的机主或被收费人。",
        "Find out whether whoever appeals holds the number, or was charged.",
    )
    return _found(kind, NOT_KNOWN, ("记录中未载明。", "No record says so."), advice)


def _definite_respondent(matter: Matter) -> DossierCondition:
    kind = DossierConditionKind.DOSSIER_CONDITION_KIND_DEFINITE_RESPONDENT
    zh, en = matter.respondent.zh_cn, matter.respondent.en
    if not zh:
        return _found(kind, NOT_FULFILLED, ("责任地区不明。", "Nobody knows which region is responsible."))
    ground = (
        f"被申诉人为{zh}公司，由其所在地的申诉受理机构受理（第九条）。",
        f"The company of {en}; the appeal body of its province is competent (art. 9).",
    )
    return _found(kind, FULFILLED, ground)


def _specific_request(matter: Matter) -> DossierCondition:
    kind = DossierConditionKind.DOSSIER_CONDITION_KIND_SPECIFIC_REQUEST
    request = matter.complaint.request
    if request.remedy_sought and request.description.strip():
        return _found(kind, FULFILLED, ("已载明诉求和事实。", "What is wanted and what happened are on file."))
    advice = ("请用户说明具体诉求和事实。", "Have the customer say what is wanted, and what happened.")
    return _found(
        kind, NOT_FULFILLED, ("未载明诉求或事实。", "What is wanted or what happened is not on file."), advice
    )


def _complained_before(matter: Matter) -> DossierCondition:
    kind, complaint = DossierConditionKind.DOSSIER_CONDITION_KIND_COMPLAINED_BEFORE, matter.complaint
    if complaint.HasField("resolution") and (complaint.refusals or matter.wants_regulator):
        return _found(kind, FULFILLED, ("已答复，用户不满意。", "It was answered, and the customer is not content."))
    if is_unanswered(complaint, matter.now):
        due = matter.day_of(_required(_legal_due(complaint)))
        return _found(kind, FULFILLED, (f"截至{due}未按期答复。", f"No answer had come when the limit passed ({due})."))
    if complaint.HasField("resolution"):
        advice = ("如用户不满意，请登记其不接受。", "If the customer is not content, have the answer refused.")
        return _found(
            kind,
            NOT_FULFILLED,
            ("已答复，用户未表示不满意。", "It was answered, and nobody has refused the answer."),
            advice,
        )
    due_at = _legal_due(complaint)
    if due_at is None or _withdrawn(complaint):
        return _found(kind, NOT_FULFILLED, ("投诉已撤回或未受理。", "The complaint was withdrawn, or never taken up."))
    due = matter.day_of(due_at)
    advice = (
        f"请等待至{due}，或在此之前得到答复后登记不接受。",
        f"Wait for the answer until {due}, and refuse it if it is no good.",
    )
    return _found(kind, NOT_FULFILLED, ("尚在答复期限内。", "There is still time for an answer."), advice)


def _in_time(matter: Matter) -> DossierCondition:
    """The condition of time.

    A complainant knew of the matter at filing: without a day of the event, that day counts.
    """
    kind = DossierConditionKind.DOSSIER_CONDITION_KIND_IN_TIME
    filed = matter.day_of(from_timestamp(matter.complaint.create_time))
    told = matter.statements.occurred_date
    last = last_day(date.fromisoformat(told) if told else filed, matter.months)
    if matter.today > last:
        advice = (
            "申诉受理机构将不予受理；可向法院起诉或申请仲裁。",
            "An appeal is too late; a court or an arbitration may hear it.",
        )
        return _found(kind, NOT_FULFILLED, (f"申诉期限已于{last}届满。", f"The last day was {last}."), advice)
    if told:
        return _found(kind, FULFILLED, (f"最迟可于{last}提出。", f"It may be made until {last}."))
    advice = ("请询问事情发生的日期。", "Ask when it happened.")
    ground = (
        f"发生日期不明；最迟不晚于{last}。",
        f"Nobody said when it happened; the last day is {last} at the latest.",
    )
    return _found(kind, NOT_KNOWN, ground, advice)


def _not_settled(matter: Matter) -> DossierCondition:
    kind = DossierConditionKind.DOSSIER_CONDITION_KIND_NOT_SETTLED
    accepted = matter.complaint.state == complaint_rules.CLOSED
    if matter.statements.settled == _YES:
        ground = ("双方已和解并已履行。", "A settlement was agreed on and carried out.")
        return _found(kind, NOT_FULFILLED, ground, ("无须申诉。", "There is nothing left to appeal."))
    if matter.statements.settled == _NO:
        return _found(kind, FULFILLED, ("未和解，或和解未履行。", "None was agreed on, or it was not carried out."))
    if accepted:
        advice = ("请确认所承诺的处理是否已经履行。", "Find out whether what was promised was done.")
        return _found(kind, NOT_KNOWN, ("用户已接受处理结果。", "The customer has accepted a resolution."), advice)
    return _found(
        kind, FULFILLED, ("记录中没有用户接受的处理结果。", "No record says that the customer has accepted anything.")
    )


def _not_appealed(matter: Matter) -> DossierCondition:
    kind = DossierConditionKind.DOSSIER_CONDITION_KIND_NOT_APPEALED
    body = ("申诉受理机构", "an appeal body")
    return _taken_by(kind, matter.statements.appealed, body)


def _not_elsewhere(matter: Matter) -> DossierCondition:
    kind = DossierConditionKind.DOSSIER_CONDITION_KIND_NOT_ELSEWHERE
    body = (
        "法院、仲裁机构、消费者组织或其他行政机关",
        "a court, an arbitration, a consumer association or another authority",
    )
    return _taken_by(kind, matter.statements.elsewhere, body)


def _taken_by(
    kind: DossierConditionKind.ValueType, told: Statement.ValueType, body: tuple[str, str]
) -> DossierCondition:
    zh, en = body
    if told == _NO:
        return _found(kind, FULFILLED, (f"{zh}均未受理。", f"Not taken by {en}."))
    if told == _YES:
        advice = ("请等待其处理结果。", "Wait for what is decided there.")
        return _found(kind, NOT_FULFILLED, (f"{zh}已受理。", f"Taken by {en}."), advice)
    return _found(
        kind,
        NOT_KNOWN,
        ("记录中未载明。", "No record says so."),
        (f"请询问用户{zh}是否已受理。", f"Ask whether {en} has taken it."),
    )


def _complete_material(matter: Matter) -> DossierCondition:
    who, request = matter.appellant, matter.complaint.request
    needed = (
        (who.name, "申诉人姓名", "name"),
        (who.address, "地址", "address"),
        (who.telephone, "电话", "telephone"),
        (who.postal_code, "邮政编码", "postal code"),
        (matter.respondent.zh_cn, "被申诉人", "respondent"),
        (request.description.strip(), "申诉要求、理由和事实", "request, reason and facts"),
    )
    missing = joined(LocalizedText(zh_cn=zh, en=en) for value, zh, en in needed if not value)
    if not missing.en:
        return _found(_MATERIAL, FULFILLED, ("材料齐全。", "Nothing is missing."))
    ground = (f"缺少：{missing.zh_cn}。", f"Missing: {missing.en}.")
    return _found(
        _MATERIAL, NOT_FULFILLED, ground, ("请补齐后重新导出。", "Bring what is missing, and export it again.")
    )


_ARTICLES = ("10(1)", "10(2)", "10(3)", "10(4)", "11(1)", "11(2)", "11(3)", "11(4)", "12")
_ITEMS = ("一", "二", "三", "四")


def _article(kind: DossierConditionKind.ValueType) -> LocalizedText:
    number = _ARTICLES[kind - 1]
    article, _, item = number.rstrip(")").partition("(")
    numeral = {"10": "第十条", "11": "第十一条", "12": "第十二条"}[article]
    zh = f"《电信用户申诉处理办法》{numeral}" + (f"第（{_ITEMS[int(item) - 1]}）项" if item else "")
    return LocalizedText(zh_cn=zh, en=f"Order 35, art. {number}")


def _found(
    kind: DossierConditionKind.ValueType,
    finding: DossierFinding.ValueType,
    ground: tuple[str, str],
    advice: tuple[str, str] = ("", ""),
) -> DossierCondition:
    return DossierCondition(
        kind=kind,
        article=_article(kind),
        finding=finding,
        ground=LocalizedText(zh_cn=ground[0], en=ground[1]),
        advice=LocalizedText(zh_cn=advice[0], en=advice[1]),
    )


def _legal_due(complaint: Complaint) -> datetime | None:
    found = [each for each in complaint.deadlines if each.kind == complaint_rules.LEGAL]
    return from_timestamp(found[-1].due_time) if found else None


def _answered_in_time(complaint: Complaint) -> bool:
    return any(
        each.HasField("met_time") and from_timestamp(each.met_time) <= from_timestamp(each.due_time)
        for each in complaint.deadlines
        if each.kind == complaint_rules.LEGAL
    )


def _withdrawn(complaint: Complaint) -> bool:
    return complaint.state in (complaint_rules.CANCELLED, complaint_rules.REJECTED)


def _required(due: datetime | None) -> datetime:
    assert due is not None
    return due
