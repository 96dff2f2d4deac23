"""TMF621 Trouble Ticket Management v4 and v5: its routes, each an RPC of ComplaintService."""

from collections.abc import Sequence

from google.protobuf.message import Message

from gateway.api.region.v1 import complaint_service_pb2 as api
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState
from gateway.api.region.v1.listener_service_pb2 import ListenerResource
from gateway.web.json_bodies import unsupported
from gateway.web.json_texts import JsonObject
from gateway.web.listed import Listed
from gateway.web.routes import Answer, Api, Asked, Route
from gateway.web.selecting import Selection, values_in, words_of
from region_node.open_api.events import EventSource
from region_node.open_api.hub import hub_routes
from region_node.open_api.left_out import OF_TICKETS, OF_TICKETS_V5
from region_node.open_api.resources import (
    part_of,
    request_id_of,
    told_created,
    told_list,
    told_one,
    total_of,
)
from region_node.open_api.trouble_tickets import (
    CHANGED,
    CHANGED_PLACES,
    CONTACT,
    FILED,
    FILED_PLACES,
    NUMBER,
    TICKET,
    TROUBLE_TICKET,
    change,
    filing,
    told_ticket,
)
from region_node.open_api.versions import version_of
from region_node.requests.checks import LONGEST_WAIT

_SERVICE = "/gateway.api.region.v1.ComplaintService"
_STATUS, _CATEGORY, _ROLE = "status", "category", "relatedEntity.role"


_Changed = (
    api.RespondToComplaintResponse
    | api.WithdrawComplaintResponse
    | api.AcceptResolutionResponse
    | api.RefuseResolutionResponse
    | api.ProposeResolutionResponse
    | api.ClassifyComplaintResponse
)


def _list(asked: Asked) -> api.ListComplaintsRequest:
    states = values_in(asked.query, _STATUS, words_of(ComplaintState.DESCRIPTOR))
    version = version_of(asked.root)
    number, role = asked.query.get(version.entity_filter, ""), asked.query.get(_ROLE, NUMBER)
    if number and role not in (NUMBER, CONTACT):
        problem, chinese = f"it is {NUMBER} or {CONTACT}", f"须为{NUMBER}或{CONTACT}"
        raise unsupported(_ROLE, f"beside the id of an entity {problem}", f"与实体标识同用时{chinese}")
    return api.ListComplaintsRequest(
        states=[ComplaintState.ValueType(each) for each in states],
        category=asked.query.get(_CATEGORY, ""),
        number=number if role == NUMBER else "",
        contact_number=number if role == CONTACT else "",
        known_as=asked.query.get(version.ticket_identifier_filter, ""),
        requester=asked.requester,
        **part_of(asked),
    )


def _listed(asked: Asked, response: api.ListComplaintsResponse) -> Listed:
    told = [_told(asked, each) for each in response.complaints]
    return told_list(asked, TICKET, told, response.next_page_token, total_of(response))


def _get(asked: Asked) -> api.GetComplaintRequest:
    return api.GetComplaintRequest(ticket_id=asked.names["id"], requester=asked.requester)


def _got(asked: Asked, response: api.GetComplaintResponse) -> Answer:
    return told_one(asked, told_ticket(response, asked.root, asked.fields))


def _post(asked: Asked) -> api.FileComplaintRequest:
    version = version_of(asked.root)
    complaint = filing(asked.body, asked.requester, version)
    name = version.ticket_identifier
    request_id = request_id_of(asked, version.identifier_in(asked.body, name), name)
    return api.FileComplaintRequest(request_id=request_id, complaint=complaint, wait=asked.wait)


def _posted(asked: Asked, response: api.FileComplaintResponse) -> Answer:
    return told_created(asked, _told(asked, response.complaint))


def _patch(asked: Asked) -> Message:
    version = version_of(asked.root)
    return change(asked.body, asked.names["id"], asked.request_id, asked.requester, asked.wait, version)


def _patched(asked: Asked, response: _Changed) -> Answer:
    return told_one(asked, _told(asked, response.complaint))


def _told(asked: Asked, complaint: Complaint) -> JsonObject:
    return told_ticket(api.GetComplaintResponse(complaint=complaint), asked.root, asked.fields)


_OTHERS = ("WithdrawComplaint", "AcceptResolution", "RefuseResolution", "ProposeResolution", "ClassifyComplaint")


def _api(root: str, hub: Sequence[Route]) -> Api:
    version = version_of(root)
    ticket = TROUBLE_TICKET.resource(api.GetComplaintResponse, lambda held: told_ticket(held, root))
    return Api(
        root,
        (
            Route.of(
                "GET",
                f"/{TICKET}",
                f"{_SERVICE}/ListComplaints",
                _list,
                _listed,
                resource=ticket,
                selection=Selection(
                    "-creationDate",
                    {
                        _STATUS: words_of(ComplaintState.DESCRIPTOR),
                        _CATEGORY: (),
                        version.entity_filter: (),
                        version.ticket_identifier_filter: (),
                    },
                    is_counted=True,
                ),
            ),
            Route.of(
                "POST",
                f"/{TICKET}",
                f"{_SERVICE}/FileComplaint",
                _post,
                _posted,
                resource=ticket,
                attributes=version.attributes(version.ticket_identifier, *FILED),
                places=FILED_PLACES,
                required=("description", "remedySought", "channel", "relatedEntity"),
            ),
            Route.of("GET", f"/{TICKET}/{{id}}", f"{_SERVICE}/GetComplaint", _get, _got, resource=ticket),
            Route.of(
                "PATCH",
                f"/{TICKET}/{{id}}",
                f"{_SERVICE}/RespondToComplaint",
                _patch,
                _patched,
                [f"{_SERVICE}/{name}" for name in _OTHERS],
                resource=ticket,
                attributes=version.attributes(*CHANGED),
                places=CHANGED_PLACES,
            ),
            *hub,
        ),
        int(LONGEST_WAIT),
        (TROUBLE_TICKET.page(root, "ComplaintService"),),
        "TMF621 Trouble Ticket Management",
        OF_TICKETS_V5 if root == _V5 else OF_TICKETS,
    )


def _events(root: str, resource: ListenerResource.ValueType) -> EventSource:
    def alone(complaint: Complaint) -> JsonObject:
        return told_ticket(api.GetComplaintResponse(complaint=complaint), root)

    return EventSource.of(resource, TICKET, alone, "Status", version_of(root))


_V4, _V5 = "/tmf-api/troubleTicket/v4", "/tmf-api/troubleTicket/v5"
TICKET_EVENTS = _events(_V4, ListenerResource.LISTENER_RESOURCE_TROUBLE_TICKET)
TICKET_EVENTS_V5 = _events(_V5, ListenerResource.LISTENER_RESOURCE_TROUBLE_TICKET_V5)
TROUBLE_TICKETS = _api(_V4, hub_routes(_V4, TICKET_EVENTS))
TROUBLE_TICKETS_V5 = _api(_V5, hub_routes(_V5, TICKET_EVENTS_V5))
