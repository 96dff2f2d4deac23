"""Faults as TMF656 ServiceProblem (v4), and back. Pure.

A fault has the category `fault`, and the priority 1, 2 or 3 for a critical, major or minor one. Attributes of a request
without a counterpart are refused, never left out.
"""

from collections.abc import Collection, Mapping

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from gateway.api.region.v1 import fault_service_pb2 as api
from gateway.api.region.v1.fault_pb2 import (
    Fault,
    FaultCause,
    FaultEvaluation,
    FaultPlace,
    FaultReport,
    FaultSeverity,
    FaultState,
)
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import invalid
from gateway.web.enum_words import told_word
from gateway.web.json_bodies import Attributes, unsupported
from gateway.web.json_texts import JsonObject
from region_node.open_api.extension import Extension
from region_node.open_api.resources import (
    INDIVIDUAL,
    ORGANIZATION,
    REQUESTER,
    RESOURCE,
    Json,
    href_of,
    message_in,
    one_new_note,
    require_reference,
    require_type,
    take_requester,
    told_last_time,
    told_note,
    told_reference,
    told_references,
    told_time,
)

PROBLEM = "serviceProblem"
CATEGORY, UNKNOWN = "fault", "unknown"
SERVICE = "Service"
REPORTED = (
    "category",
    "reason",
    "priority",
    "description",
    "contactNumber",
    "terminalSuspected",
    "place",
    "originatorParty",
    "affectedResource",
    "affectedService",
    "affectedNumberOfServices",
    "underlyingAlarm",
)
"""The attributes of a report."""
REPORTED_PLACES = {
    "number": "affectedResource.id",
    "report.description": "description",
    "report.services": "affectedService",
    "report.place": "place",
    "report.place.region": "place.region",
    "report.place.address": "place.address",
    "report.place.site": "place.site",
    "report.alarm_id": "underlyingAlarm.id",
}
"""Those that ReportFault names otherwise."""
CHANGED = ("status", "statusChangeReason", "evaluation", "note")
"""The attributes of a merge patch."""
CHANGED_PLACES = {"reason": "statusChangeReason", "not_repaired": "statusChangeReason", "text": "note.text"}
"""Those that the RPCs of a change name otherwise."""
_ALARM, _PROBLEM = "ResourceAlarm", "ServiceProblem"
_REPAIRED = (FaultState.FAULT_STATE_RESOLVED, FaultState.FAULT_STATE_CLOSED)
PRIORITIES: Mapping[FaultSeverity.ValueType, int] = {
    FaultSeverity.FAULT_SEVERITY_CRITICAL: 1,
    FaultSeverity.FAULT_SEVERITY_MAJOR: 2,
    FaultSeverity.FAULT_SEVERITY_MINOR: 3,
}
SERVICE_PROBLEM = Extension(
    "CrossregionServiceProblem",
    "ServiceProblem",
    Fault.DESCRIPTOR,
    {
        "place": "report.place",
        "contactNumber": "report.contact_number",
        "terminalSuspected": "report.terminal_caused",
        "terminalCaused": "terminal_caused",
        "expectedResolutionDate": "expected_resolution_time",
        "stateChange": "state_changes",
        "step": "steps",
        "outage": "outages",
        "repair": "repair",
        "resolution": "resolution",
        "review": "review",
        "reopenings": "reopenings",
        "evaluation": "evaluation",
        "rootCauseId": "root_cause_id",
    },
)


def told_problem(fault: Fault, root: str, fields: Collection[str] = ()) -> JsonObject:
    """A fault as a ServiceProblem. `fields` are the attributes that are wanted; all without."""
    report, changes = fault.report, fault.state_changes
    last = changes[-1] if changes else None
    repaired = [each for each in changes if each.state == FaultState.FAULT_STATE_RESOLVED]
    told: Json = {
        "id": fault.id,
        "href": href_of(root, PROBLEM, fault.id),
        "category": CATEGORY,
        "priority": PRIORITIES.get(fault.severity or report.severity),
        "description": report.description,
        "reason": told_word(FaultCause.DESCRIPTOR, fault.cause) or UNKNOWN,
        "status": told_word(FaultState.DESCRIPTOR, fault.state),
        "statusChangeDate": told_time(last, "time") if last is not None else "",
        "statusChangeReason": last.reason if last is not None else "",
        "creationDate": told_time(fault, "create_time"),
        "lastUpdate": told_last_time(fault.state_changes, fault.notes, fault.steps),
        "resolutionDate": told_time(repaired[-1], "time") if repaired and fault.state in _REPAIRED else "",
        "originatorParty": told_reference(report.requester.staff_id, INDIVIDUAL, REQUESTER),
        "responsibleParty": told_reference(fault.owner_region, ORGANIZATION, "ownerRegion"),
        "relatedParty": told_references(
            told_reference(fault.origin_region, ORGANIZATION, "originRegion"),
            told_reference(fault.home_region, ORGANIZATION, "homeRegion"),
            told_reference(fault.operator, ORGANIZATION, "operator"),
        ),
        "affectedResource": told_references(told_reference(report.number, RESOURCE)),
        "affectedService": told_references(*(told_reference(each, SERVICE) for each in report.services)),
        "affectedNumberOfServices": len(report.services),
        "underlyingAlarm": told_references(told_reference(report.alarm_id, _ALARM)),
        "parentProblem": told_references(told_reference(fault.problem_id, _PROBLEM)),
        "note": [told_note(each.author, each.time, each.text) for each in fault.notes],
        **SERVICE_PROBLEM.type_at(root),
    }
    return SERVICE_PROBLEM.told(JsonObject.of(told), fault, fields)


def report_of(body: Attributes, requester: Requester) -> FaultReport:
    """The report of a ServiceProblem, by a requester as far as one is known from elsewhere.

    Raises Refused for what is of another form, and with ATTRIBUTE_UNSUPPORTED for what the fault would not heed.
    """
    require_type(body, *SERVICE_PROBLEM.types)
    for name, only in (("category", CATEGORY), ("reason", UNKNOWN)):
        if body.text(name) not in ("", only):
            raise unsupported(body.at(name), f"its only value is {only}", f"唯一可用值为{only}")
    report = FaultReport(
        description=body.text("description"),
        contact_number=body.text("contactNumber"),
        terminal_caused=body.flag("terminalSuspected"),
        requester=requester,
    )
    if body.value("priority") is not None:
        report.severity = _severity(body)
    if body.value("place") is not None:
        report.place.CopyFrom(message_in(body.object("place"), FaultPlace()))
    if body.value("originatorParty") is not None:
        party = body.object("originatorParty")
        if party.text("role") not in ("", REQUESTER):
            raise unsupported(party.at("role"), f"it is {REQUESTER}", f"须为{REQUESTER}")
        take_requester(party, report.requester)
        require_reference(party, INDIVIDUAL)
    report.number = _only(body, "affectedResource", RESOURCE)
    report.alarm_id = _only(body, "underlyingAlarm", _ALARM)
    for service in body.objects("affectedService"):
        report.services.append(service.text("id"))
        require_reference(service, SERVICE)
    count = body.value("affectedNumberOfServices")
    if count not in (None, len(report.services)) or isinstance(count, bool):
        raise invalid(body.at("affectedNumberOfServices"), "differs from affectedService", "与affectedService不一致")
    return report


def change(body: Attributes, fault_id: str, request_id: str, requester: Requester, wait: Duration) -> Message:
    """The request of the RPC that makes the one change of a merge patch: a status, an evaluation, or a note.

    Raises Refused as `report_of`.
    """
    require_type(body, *SERVICE_PROBLEM.types)
    status = body.text("status")
    if status == "cancelled":
        reason = body.text("statusChangeReason")
        return api.CancelFaultRequest(
            request_id=request_id, fault_id=fault_id, requester=requester, reason=reason, wait=wait
        )
    request = api.RespondToFaultRequest(request_id=request_id, fault_id=fault_id, requester=requester, wait=wait)
    if status == "inProgress":
        request.not_repaired = body.text("statusChangeReason")
    elif status:
        raise unsupported(body.at("status"), "it is cancelled or inProgress", "须为cancelled或inProgress")
    elif body.value("evaluation") is not None:
        request.evaluation.CopyFrom(message_in(body.object("evaluation"), FaultEvaluation()))
    else:
        request.text = one_new_note(body)
    return request


def _severity(body: Attributes) -> FaultSeverity.ValueType:
    said = body.whole_number("priority")
    for severity, priority in PRIORITIES.items():
        if said == priority:
            return severity
    raise invalid(body.at("priority"), "it is 1, 2 or 3", "须为1、2或3")


def _only(body: Attributes, name: str, kind: str) -> str:
    """The id of the one reference in an array; empty without one."""
    found = body.objects(name)
    if len(found) > 1:
        raise unsupported(body.at(name), "a fault has one", "一个故障仅限一项")
    for each in found:
        said = each.text("id")
        require_reference(each, kind)
        return said
    return ""
