"""Complaints as TMF621 TroubleTicket (v4 and v5), and back. Pure.

A complaint has the ticket type `complaint`. Its severity is that of its category, whatever its caller says. Attributes
of a request without a counterpart are refused, never left out.
"""

from collections.abc import Collection, Sequence

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from gateway.api.federation.v1.configuration_pb2 import ComplaintSeverity
from gateway.api.region.v1 import complaint_service_pb2 as api
from gateway.api.region.v1.complaint_pb2 import (
    Complaint,
    ComplaintAttachment,
    ComplaintChannel,
    ComplaintRequest,
    ComplaintState,
    ComplaintStateChange,
    Remedy,
    Resolution,
)
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import invalid
from gateway.values.lists import one_of
from gateway.web.enum_words import told_word
from gateway.web.json_bodies import Attributes, unsupported
from gateway.web.json_texts import JsonObject, without_empty
from gateway.web.routes import Places
from region_node.open_api.extension import Extension
from region_node.open_api.resources import (
    INDIVIDUAL,
    ORGANIZATION,
    REQUESTER,
    RESOURCE,
    Json,
    href_of,
    message_in,
    name_in,
    one_new_note,
    take_requester,
    told_last_time,
    told_note,
    told_references,
    told_time,
    word_in,
)
from region_node.open_api.versions import Version, version_of

TICKET = "troubleTicket"
TYPE = "complaint"
NUMBER, CONTACT = "affected", "contact"
FILED = (
    "ticketType",
    "severity",
    "category",
    "description",
    "remedySought",
    "locationRegion",
    "ruralArea",
    "channel",
    "relatedEntity",
    "relatedParty",
)
"""The attributes of a filing, beside the external id."""
FILED_PLACES = {
    "complaint.description": "description",
    "complaint.channel": "channel",
    "complaint.remedy_sought": "remedySought",
}
"""Those that FileComplaint names otherwise."""
CHANGED = ("status", "statusChangeReason", "category", "rating", "toRegulator", "resolution", "note")
"""The attributes of a merge patch."""


def _place_of_text(request: Message) -> str:
    return "resolution.text" if isinstance(request, api.ProposeResolutionRequest) else "note.text"


CHANGED_PLACES: Places = {
    "reason": "statusChangeReason",
    "text": _place_of_text,
    "cause_code": "resolution.causeCode",
    "remedy": "resolution.remedy",
    "amount": "resolution.amount",
}
"""Those that the RPCs of a change name otherwise."""
_RESOLVED = (ComplaintState.COMPLAINT_STATE_RESOLVED, ComplaintState.COMPLAINT_STATE_CLOSED)
TROUBLE_TICKET = Extension(
    "CrossregionTroubleTicket",
    "TroubleTicket",
    api.GetComplaintResponse.DESCRIPTOR,
    {
        "category": "complaint.request.category",
        "remedySought": "complaint.request.remedy_sought",
        "locationRegion": "complaint.request.location_region",
        "ruralArea": "complaint.request.rural_area",
        "department": "complaint.department",
        "deadline": "complaint.deadlines",
        "custody": "complaint.custody",
        "ledger": "ledger",
        "lateness": "lateness",
        "level": "complaint.level",
        "escalation": "complaint.escalations",
        "expedite": "complaint.expedites",
        "resolution": "complaint.resolution",
        "refusals": "complaint.refusals",
        "rating": "complaint.rating",
        "remedy": "complaint.remedy",
        "remedyLateness": "remedy_lateness",
        "workItem": "complaint.items",
        "returned": "complaint.returned",
        "classification": "complaint.classification",
        "repeats": "complaint.repeats",
        "groupId": "complaint.group_id",
        "numberUnassigned": "complaint.number_unassigned",
        "privateNote": "private_notes",
        "networkProblem": "network_problems",
    },
    asked={"toRegulator": api.RefuseResolutionRequest.DESCRIPTOR.fields_by_name["to_regulator"]},
    listed="complaint",
)


def told_ticket(held: api.GetComplaintResponse, root: str, fields: Collection[str] = ()) -> JsonObject:
    """A complaint as a TroubleTicket. `fields` are the attributes that are wanted; all without."""
    version, complaint = version_of(root), held.complaint
    changes = complaint.state_changes
    last = changes[-1] if changes else None
    resolved = [each for each in changes if each.state == ComplaintState.COMPLAINT_STATE_RESOLVED]
    told: Json = {
        "id": complaint.ticket_id,
        "href": href_of(root, TICKET, complaint.ticket_id),
        version.ticket_identifier: version.told_identifier(complaint.external_id or complaint.request_id),
        "ticketType": TYPE,
        "severity": told_word(ComplaintSeverity.DESCRIPTOR, complaint.severity),
        "description": complaint.request.description,
        "status": told_word(ComplaintState.DESCRIPTOR, complaint.state),
        version.status_changes: [_told_change(each, version) for each in changes],
        "statusChangeDate": told_time(last, "time") if last is not None else "",
        "statusChangeReason": last.reason if last is not None else "",
        "creationDate": told_time(complaint, "create_time"),
        "lastUpdate": told_last_time(complaint.state_changes, complaint.notes, complaint.expedites),
        "expectedResolutionDate": told_time(complaint, "expected_resolution_time"),
        "resolutionDate": told_time(resolved[-1], "time") if resolved and complaint.state in _RESOLVED else "",
        "channel": version.channel.told(told_word(ComplaintChannel.DESCRIPTOR, complaint.request.channel), "Channel"),
        "note": [told_note(each.author, each.time, each.text) for each in complaint.notes],
        "relatedParty": _told_parties(complaint, version),
        "relatedEntity": told_references(
            version.entity.told(complaint.request.number, RESOURCE, NUMBER),
            version.entity.told(complaint.request.contact_number, RESOURCE, CONTACT),
        ),
        "troubleTicketRelationship": _told_relationships(complaint, root, version),
        "attachment": [_told_attachment(each, version) for each in complaint.attachments],
        **TROUBLE_TICKET.type_at(root),
    }
    return TROUBLE_TICKET.told(JsonObject.of(told), held, fields)


def filing(body: Attributes, requester: Requester, version: Version) -> ComplaintRequest:
    """The filing of a TroubleTicket, by a requester as far as one is known from elsewhere.

    Raises Refused for what is of another form, and with ATTRIBUTE_UNSUPPORTED for what the complaint would not heed.
    """
    version.require_type(body, *TROUBLE_TICKET.types)
    if body.text("ticketType") not in ("", TYPE):
        raise unsupported(body.at("ticketType"), f"it is {TYPE}", f"须为{TYPE}")
    if body.value("severity") is not None:  # TMF621 wants one of every caller
        word_in(body, "severity", ComplaintSeverity.DESCRIPTOR)
    request = ComplaintRequest(
        category=body.text("category"),
        description=body.text("description"),
        location_region=body.text("locationRegion"),
        rural_area=body.flag("ruralArea"),
        requester=requester,
    )
    request.remedy_sought = Remedy.ValueType(name_in(body, "remedySought", Remedy.DESCRIPTOR))
    if body.value("channel") is not None:
        channel = body.object("channel")
        found = word_in(channel, "id", ComplaintChannel.DESCRIPTOR)
        request.channel = ComplaintChannel.ValueType(found)
        version.channel.close(channel, "Channel")
    for entity in body.objects("relatedEntity"):
        _take_number(entity, request, version)
    for each in body.objects("relatedParty"):
        _, party = version.party.taken(each, (REQUESTER,))
        take_requester(party, request.requester)
        version.party.close(party, INDIVIDUAL)
    if not request.number:
        raise invalid(body.at("relatedEntity"), f"no entity has the role {NUMBER}", f"没有角色为{NUMBER}的实体")
    return request


def change(
    body: Attributes, ticket_id: str, request_id: str, requester: Requester, wait: Duration, version: Version
) -> Message:
    """The request of the RPC that makes the one change of a merge patch: a status, a category, or a note.

    Raises Refused as `filing`.
    """
    version.require_type(body, *TROUBLE_TICKET.types)
    status = body.text("status")
    if status:
        return _change_of_status(body, status, ticket_id, request_id, requester, wait)
    category = body.text("category")
    if category:
        reason = body.text("statusChangeReason")
        return api.ClassifyComplaintRequest(
            request_id=request_id, ticket_id=ticket_id, category=category, reason=reason
        )
    text = one_new_note(body, is_typed=version.is_typed)
    return api.RespondToComplaintRequest(
        request_id=request_id, ticket_id=ticket_id, requester=requester, text=text, wait=wait
    )


def _change_of_status(
    body: Attributes, status: str, ticket_id: str, request_id: str, requester: Requester, wait: Duration
) -> Message:
    reason = "" if status in ("closed", "resolved") else body.text("statusChangeReason")
    match status:
        case "cancelled":
            return api.WithdrawComplaintRequest(
                request_id=request_id, ticket_id=ticket_id, requester=requester, reason=reason, wait=wait
            )
        case "closed":
            rating = body.whole_number("rating")
            return api.AcceptResolutionRequest(
                request_id=request_id, ticket_id=ticket_id, requester=requester, rating=rating, wait=wait
            )
        case "inProgress":
            return api.RefuseResolutionRequest(
                request_id=request_id,
                ticket_id=ticket_id,
                requester=requester,
                reason=reason,
                to_regulator=body.flag("toRegulator"),
                wait=wait,
            )
        case "resolved":
            return _proposal(body.object("resolution"), ticket_id, request_id)
        case _:
            words = ("cancelled", "closed", "inProgress", "resolved")
            raise unsupported(body.at("status"), *one_of(words))


def _proposal(said: Attributes, ticket_id: str, request_id: str) -> api.ProposeResolutionRequest:
    made = message_in(said, Resolution())
    if made.author or made.HasField("time"):
        raise unsupported(said.place, "its author and time are those of the call", "提出人与时间以调用为准")
    request = api.ProposeResolutionRequest(
        request_id=request_id, ticket_id=ticket_id, text=made.text, cause_code=made.cause_code, remedy=made.remedy
    )
    if made.HasField("amount"):
        request.amount.CopyFrom(made.amount)
    return request


def _take_number(said: Attributes, request: ComplaintRequest, version: Version) -> None:
    role, entity = version.entity.taken(said, (NUMBER, CONTACT))
    number = entity.required("id")
    if request.number if role == NUMBER else request.contact_number:
        raise invalid(said.at("role"), "stands twice", "重复出现")
    if role == NUMBER:
        request.number = number
    else:
        request.contact_number = number
    version.entity.close(entity, RESOURCE)


def _told_change(of: ComplaintStateChange, version: Version) -> Json:
    told: Json = {
        "status": told_word(ComplaintState.DESCRIPTOR, of.state),
        version.status_change_time: told_time(of, "time"),
        version.status_change_reason: of.reason,
    }
    return version.typed(without_empty(told), "StatusChange")


def _told_attachment(attachment: ComplaintAttachment, version: Version) -> Json:
    told: Json = {
        "id": attachment.id,
        "name": attachment.name,
        "mimeType": attachment.media_type,
        "size": {"amount": attachment.size, "units": "bytes"},
    }
    return version.typed(told, "Attachment")


def _told_parties(complaint: Complaint, version: Version) -> Sequence[Json]:
    party = version.party
    return told_references(
        party.told(complaint.request.requester.staff_id, INDIVIDUAL, REQUESTER),
        party.told(complaint.origin_region, ORGANIZATION, "originRegion"),
        party.told(complaint.home_region, ORGANIZATION, "homeRegion"),
        party.told(complaint.owner_region, ORGANIZATION, "ownerRegion"),
        party.told(complaint.operator, ORGANIZATION, "operator"),
    )


def _told_relationships(complaint: Complaint, root: str, version: Version) -> Sequence[Json]:
    found = [
        ("repeats", complaint.repeated_ticket_id),
        ("parent", complaint.case_id),
        *(("child", each.ticket_id) for each in complaint.items),
    ]
    return [
        version.typed(
            {"id": name, "href": href_of(root, TICKET, name), "relationshipType": kind}, "TroubleTicketRelationship"
        )
        for kind, name in found
        if name
    ]
