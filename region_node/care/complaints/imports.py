"""Imports of complaints from files: each once, with its own times, and without notices.

Accepted are ended complaints that this region answered, and open ones of its own by their category. Complaints of
several departments are led here, as the old system has led them, without work items.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.api.region.v1 import complaint_import_service_pb2 as api
from gateway.api.region.v1.complaint_pb2 import ClassifiedBy, Complaint, ComplaintClassification, ComplaintRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import Refused, invalid
from gateway.federation.numberplan import normalize
from gateway.process import failpoints
from gateway.rpc.message_checks import require_plain
from gateway.store.port import Transaction
from gateway.store.timers import Timer, set_timers
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.care.complaints import replay, rules
from region_node.care.complaints.import_rows import (
    UNREADABLE,
    Known,
    NewComplaint,
    earlier_about,
    imported_among,
    insert_complaints,
)
from region_node.care.complaints.limits import set_deadlines
from region_node.care.complaints.owner import ESCALATION_TIMER
from region_node.care.complaints.proposing import category_set, classification, note_setting
from region_node.care.complaints.replay import Earlier, Past
from region_node.care.complaints.rows import ComplaintRow, next_ticket_number, reference_index
from region_node.care.complaints.rules import owner_of
from region_node.customers.known_statuses import KnownStatus, require_takes_complaints, statuses_of
from region_node.node.context import RegionContext
from region_node.node.subjects import number_index
from region_node.records.purging.rules import cutoff
from region_node.requests.auditing import AuditedCall
from region_node.requests.checks import require_length
from region_node.requests.importing.progress import Rejection, Taken
from region_node.requests.importing.stream import Work
from region_node.requests.rows import keyed_digest

_REFERENCE_LIMIT = 64  # characters
_OLDEST = timedelta(days=3650)  # the limit of filings between regions, too
_NOT_CLOSED = ("of what was not closed", "该投诉尚未办结")


@dataclass(frozen=True)
class Imported:
    """A complaint to import: its filing, its deadlines, and the known events of its life.

    `over` is the day of its end where the retention of complaints is over, else empty.
    """

    complaint: Complaint = field(repr=False)
    past: Past
    rating: int
    digest: bytes
    over: str = ""


@dataclass(frozen=True)
class Candidate:
    """A line of a file: the complaint that it describes, or why it describes none."""

    number: int
    imported: Imported | Refused


@dataclass(frozen=True)
class Asked:
    """The caller of an import: the operator system, the person, and the time.

    `as_of` is set in a dry run: the end of the replay.
    """

    operator: str
    requester: Requester = field(repr=False)
    now: datetime
    as_of: datetime | None = None


def importing(context: RegionContext, traceparent: str) -> Work[Candidate]:
    """The processing of a complaint file's lines."""

    def take(tx: Transaction, piece: Sequence[Candidate], asked: AuditedCall) -> Taken:
        new, rejections = _sorted_out(tx, context, piece)
        ticket_ids = _take_over(tx, context, new, traceparent, asked.now)
        asked.record_each(tx, "ImportComplaint", ticket_ids)
        failpoints.reach("complaints-imported.before-commit")
        return Taken(len(new), rejections)

    def check(tx: Transaction, piece: Sequence[Candidate]) -> Taken:
        new, rejections = _sorted_out(tx, context, piece)
        return Taken(len(new), rejections)

    return Work("ImportComplaints", take, check)


def candidate(context: RegionContext, line: api.ComplaintLine, asked: Asked) -> Candidate:
    """The complaint that a line describes, or why none."""
    try:
        if not line.HasField("complaint"):
            raise invalid("complaint", "not set", "未填写")
        require_plain(line.complaint)
        return Candidate(line.number, _imported(context, line.complaint, asked))
    except Refused as refused:
        return Candidate(line.number, refused)


def replayed(
    context: RegionContext, earlier: Earlier, piece: Sequence[Candidate], until: datetime
) -> list[api.ReplayedComplaint]:
    """The levels that a piece's complaints would have reached by an instant, without those filed later.

    `earlier` holds the complaints of earlier pieces, and afterwards those of this one too. The complaints are changed.
    """
    found = []
    for each in piece:
        if isinstance(each.imported, Refused) or each.imported.past.filed > until:
            continue
        complaint, life = each.imported.complaint, each.imported.past
        _find_repeats(earlier, complaint.request.number, complaint, life, str(each.number))
        replay.relive(complaint, life, context.federation.working_hours, until)
        found.append(
            api.ReplayedComplaint(
                number=each.number,
                category=complaint.request.category,
                filed_time=complaint.create_time,
                escalations=complaint.escalations,
            )
        )
    return found


def _imported(context: RegionContext, told: api.ImportedComplaint, asked: Asked) -> Imported:
    """Raises Refused for a line against the contract, or of another region."""
    require_length("external_id", told.external_id, _REFERENCE_LIMIT, required=True)
    rules.require_filing(told.request)
    life = _life(told, asked)
    _require_outcome(told, life)
    if told.cause_code:
        context.federation.require_resolution_cause(told.cause_code)
    normal = api.ImportedComplaint()
    normal.CopyFrom(told)
    request = normal.request
    request.ClearField("requester")
    request.number = normalize(request.number)
    if request.contact_number:
        request.contact_number = normalize(request.contact_number)
    if request.location_region:
        context.federation.region(request.location_region)
    home = context.federation.number_plan.home_of(request.number)
    # The digest covers the line's content: later words that propose another category do not change it.
    digest = hashlib.sha256(normal.SerializeToString(deterministic=True)).digest()
    request.requester.CopyFrom(asked.requester)
    classified = _classified(context, told, request, home, asked.now)
    request.category = category_set(classified)
    category = context.federation.complaint_category(request.category)
    owner = owner_of(category, request, handling=context.region, home=home)
    if life.is_open and owner != context.region:
        raise Refused(Reason.REASON_COMPLAINT_IMPORT_ELSEWHERE, region=owner)
    complaint = Complaint(
        request=request,
        origin_region=context.region,
        operator=asked.operator,
        home_region=home or "",
        owner_region=context.region,
        department=category.departments[0].name,
        severity=category.severity,
        create_time=told.filed_time,
        classification=classified,
        external_id=told.external_id,
    )
    if life.ended_as not in replay.WITHOUT_RESOLUTION and (life.resolved or life.closed):
        complaint.resolution.text, complaint.resolution.cause_code = told.resolution, told.cause_code
    set_deadlines(context.federation, complaint, category, life.filed)
    return Imported(complaint, life, told.rating, digest, _over(context, life, asked.now))


def _over(context: RegionContext, life: Past, now: datetime) -> str:
    """The end day of a complaint that would be purged immediately: nobody would know then that it was here."""
    rule = context.federation.retention_rule(DataClass.DATA_CLASS_COMPLAINTS)
    if rule is None or life.closed is None:
        return ""
    zone = ZoneInfo(context.time_zone)
    return f"{life.closed.astimezone(zone):%Y-%m-%d}" if life.closed < cutoff(rule, now, zone) else ""


def _classified(
    context: RegionContext, told: api.ImportedComplaint, request: ComplaintRequest, home: str | None, now: datetime
) -> ComplaintClassification:
    """The category of a line: the named one, else a clear proposal from its words, else the last category.

    Raises Refused for a line without any: no desk classifies again what the old system has classified.
    """
    found = classification(context, request, home, now)
    if not category_set(found) and told.category_otherwise:
        context.federation.complaint_category(told.category_otherwise)
        author = f"{context.region}/{request.requester.staff_id}"
        note_setting(found, told.category_otherwise, ClassifiedBy.CLASSIFIED_BY_FILING, author, now)
    if not category_set(found):
        problem = "not set, and the words of the description do not speak clearly for one"
        raise invalid("category", problem, "未填写，且投诉内容不足以明确归类")
    return found


def _life(told: api.ImportedComplaint, asked: Asked) -> Past:
    """The events of a line. Raises Refused for impossible times."""
    known = (
        _filed(told, asked),
        _time("first_response_time", told.first_response_time) if told.HasField("first_response_time") else None,
        _time("resolved_time", told.resolved_time) if told.HasField("resolved_time") else None,
    )
    life = Past(*known, _closed(told, asked, known), is_end_estimated=told.closed_time_estimated)
    if told.ended_as:
        life = replace(life, ended_as=told.ended_as)
    last = life.filed
    for name, instant in (
        ("first_response_time", life.answered),
        ("resolved_time", life.resolved),
        ("closed_time", life.closed),
    ):
        if instant is None:
            continue
        if not (name == "closed_time" and life.is_end_estimated):
            _require_past(name, instant, asked.now)
        if instant < last:
            raise invalid(name, "before what it follows", "早于其前一环节的时间")
        last = instant
    return life


def _closed(told: api.ImportedComplaint, asked: Asked, known: Sequence[datetime | None]) -> datetime | None:
    """The closing time of a line; an estimate in the future is now, or the last known event."""
    if not told.HasField("closed_time"):
        return None
    closed, latest = _time("closed_time", told.closed_time), asked.as_of or asked.now
    if not told.closed_time_estimated or closed <= latest:
        return closed
    return max(latest, *(each for each in known if each is not None))


def _filed(told: api.ImportedComplaint, asked: Asked) -> datetime:
    """The filing time of a line; a stored one must be recent enough for other regions to accept it."""
    if not told.HasField("filed_time"):
        raise invalid("filed_time", "not set", "未填写")
    filed = _time("filed_time", told.filed_time)
    _require_past("filed_time", filed, asked.now)
    if asked.as_of is None and filed < asked.now - _OLDEST:
        raise invalid("filed_time", "more than ten years ago", "已超过十年")
    return filed


def _require_past(name: str, instant: datetime, now: datetime) -> None:
    if instant > now:
        raise invalid(name, "in the future", "晚于当前时间")


def _time(name: str, stamp: Timestamp) -> datetime:
    try:
        return from_timestamp(stamp)
    except OverflowError:
        raise invalid(name, "out of range", "超出允许范围") from None


def _require_outcome(told: api.ImportedComplaint, life: Past) -> None:
    is_answered = life.resolved is not None or life.closed is not None
    require_length("resolution", told.resolution, rules.NOTE_LIMIT)
    rules.require_rating(told.rating)
    if told.cause_code:
        rules.require_cause(told.cause_code)
    if (told.cause_code or told.resolution) and not is_answered:
        name = "cause_code" if told.cause_code else "resolution"
        raise invalid(name, "of what was not resolved", "该投诉尚无处理结果")
    if told.ended_as:
        _require_end(told, life)
    for name, is_told in (("rating", bool(told.rating)), ("closed_time_estimated", told.closed_time_estimated)):
        if is_told and life.is_open:
            raise invalid(name, *_NOT_CLOSED)


def _require_end(told: api.ImportedComplaint, life: Past) -> None:
    """Raises Refused for an invalid final state, and for an answer to a withdrawn or rejected complaint."""
    if told.ended_as not in rules.FINAL or life.is_open:
        raise invalid("ended_as", *(_NOT_CLOSED if told.ended_as in rules.FINAL else ("no end", "不是办结状态")))
    if told.ended_as == rules.CLOSED:
        return
    answered = {
        "resolved_time": told.HasField("resolved_time"),
        "cause_code": bool(told.cause_code),
        "resolution": bool(told.resolution),
        "rating": bool(told.rating),
    }
    for name, is_told in answered.items():
        if is_told:
            raise invalid(name, "of what was withdrawn or rejected", "该投诉已撤回或未予受理")


def _sorted_out(
    tx: Transaction, context: RegionContext, piece: Sequence[Candidate]
) -> tuple[list[Imported], list[Rejection]]:
    """The complaints of a piece that are new, and the lines that cannot be taken."""
    complaints = [each.imported.complaint for each in piece if isinstance(each.imported, Imported)]
    known = imported_among(tx, [each.external_id for each in complaints])
    taken = dict(known)
    statuses: dict[str, list[KnownStatus]] = {}
    for status in statuses_of(tx, [each.request.number for each in complaints]):
        statuses.setdefault(status.number_index, []).append(status)
    new: list[Imported] = []
    rejections: list[Rejection] = []
    for each in piece:
        try:
            if isinstance(each.imported, Refused):
                raise each.imported
            reference, digest = each.imported.complaint.external_id, keyed_digest(tx, each.imported.digest)
            if (before := taken.get(reference)) is None:
                number, home = each.imported.complaint.request.number, each.imported.complaint.home_region
                require_takes_complaints(home, statuses.get(number_index(tx, number), ()) if statuses else ())
                if each.imported.over:
                    raise Refused(Reason.REASON_COMPLAINT_RETENTION_OVER, ended=each.imported.over)
                taken[reference] = Known(reference, digest)
                new.append(each.imported)
            elif before.digest not in (digest, UNREADABLE):
                raise Refused(Reason.REASON_COMPLAINT_IMPORTED_OTHERWISE, complaint=before.ticket_id)
        except Refused as refused:
            about = each.imported.complaint.request.number if isinstance(each.imported, Imported) else ""
            rejections.append(Rejection(each.number, refused.reason, refused.parameters, about))
    return new, rejections


def _take_over(
    tx: Transaction, context: RegionContext, new: Sequence[Imported], traceparent: str, now: datetime
) -> list[str]:
    """Stores complaints with their life until now; timers raise the open ones from now on.

    Returns their ticket ids.
    """
    if not new:
        return []
    zone, hours = ZoneInfo(context.time_zone), context.federation.working_hours
    indexes = {number: number_index(tx, number) for number in {each.complaint.request.number for each in new}}
    earlier = earlier_about(tx, list(indexes.values()))
    rows: list[NewComplaint] = []
    timers: list[Timer] = []
    for ticket_number, each in enumerate(new, next_ticket_number(tx)):
        complaint = Complaint()
        complaint.CopyFrom(each.complaint)
        complaint.ticket_id = f"{context.region}/{each.past.filed.astimezone(zone):%Y%m%d}-{ticket_number}"
        index = indexes[complaint.request.number]
        _find_repeats(earlier, index, complaint, each.past, complaint.ticket_id)
        due = replay.relive(complaint, each.past, hours, now)
        complaint.rating = each.rating
        if due is not None:
            timer_id = f"{ESCALATION_TIMER}/{complaint.ticket_id}"
            timers.append(Timer(timer_id, ESCALATION_TIMER, complaint.ticket_id, to_microseconds(due)))
        reference = reference_index(tx, complaint.external_id)
        row = ComplaintRow(complaint, traceparent)
        digest = keyed_digest(tx, each.digest)
        rows.append(NewComplaint(row, ticket_number, index, reference, digest, each.past.closed))
    insert_complaints(tx, rows, now)
    set_timers(tx, timers)
    return [each.row.complaint.ticket_id for each in rows]


def _find_repeats(earlier: Earlier, number: str, complaint: Complaint, life: Past, ticket_id: str) -> None:
    """Notes the repeats of a complaint, and adds it for later ones, unless it was withdrawn."""
    filed, category = from_timestamp(complaint.create_time), complaint.request.category
    ticket_ids = earlier.before(number, category, filed)
    complaint.repeated_ticket_id, complaint.repeats = (ticket_ids[0] if ticket_ids else ""), len(ticket_ids)
    if life.ended_as != rules.CANCELLED:
        earlier.add(number, category, filed, ticket_id)
