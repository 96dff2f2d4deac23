"""TMF656 Service Problem Management v4: its routes, each an RPC of FaultService."""

from google.protobuf.message import Message

from gateway.api.region.v1 import fault_service_pb2 as api
from gateway.api.region.v1.fault_pb2 import Fault, FaultState
from gateway.api.region.v1.listener_service_pb2 import ListenerResource
from gateway.web.json_texts import JsonObject
from gateway.web.listed import Listed
from gateway.web.routes import Answer, Api, Asked, Route
from gateway.web.selecting import Selection, values_in, words_of
from region_node.open_api.events import EventSource
from region_node.open_api.hub import hub_routes
from region_node.open_api.left_out import OF_PROBLEMS
from region_node.open_api.resources import part_of, told_created, told_list, told_one, total_of
from region_node.open_api.service_problems import (
    CHANGED,
    CHANGED_PLACES,
    PROBLEM,
    REPORTED,
    REPORTED_PLACES,
    SERVICE_PROBLEM,
    change,
    report_of,
    told_problem,
)
from region_node.requests.checks import LONGEST_WAIT

_SERVICE = "/gateway.api.region.v1.FaultService"
_STATUS, _NUMBER, _CONTACT = "status", "affectedResource.id", "contactNumber"
_Changed = api.RespondToFaultResponse | api.CancelFaultResponse


def _list(asked: Asked) -> api.ListFaultsRequest:
    states = values_in(asked.query, _STATUS, words_of(FaultState.DESCRIPTOR))
    return api.ListFaultsRequest(
        states=[FaultState.ValueType(each) for each in states],
        number=asked.query.get(_NUMBER, ""),
        contact_number=asked.query.get(_CONTACT, ""),
        requester=asked.requester,
        **part_of(asked),
    )


def _listed(asked: Asked, response: api.ListFaultsResponse) -> Listed:
    told = [told_problem(each, asked.root, asked.fields) for each in response.faults]
    return told_list(asked, PROBLEM, told, response.next_page_token, total_of(response))


def _get(asked: Asked) -> api.GetFaultRequest:
    return api.GetFaultRequest(fault_id=asked.names["id"], requester=asked.requester)


def _got(asked: Asked, response: api.GetFaultResponse) -> Answer:
    return told_one(asked, told_problem(response.fault, asked.root, asked.fields))


def _post(asked: Asked) -> api.ReportFaultRequest:
    return api.ReportFaultRequest(request_id=asked.request_id, report=report_of(asked.body, asked.requester))


def _posted(asked: Asked, response: api.ReportFaultResponse) -> Answer:
    return told_created(asked, told_problem(response.fault, asked.root, asked.fields))


def _patch(asked: Asked) -> Message:
    return change(asked.body, asked.names["id"], asked.request_id, asked.requester, asked.wait)


def _patched(asked: Asked, response: _Changed) -> Answer:
    return told_one(asked, told_problem(response.fault, asked.root, asked.fields))


def _whole(fault: Fault) -> JsonObject:
    return told_problem(fault, _ROOT)


_ROOT = "/tmf-api/serviceProblemManagement/v4"
_RESOURCE = SERVICE_PROBLEM.resource(Fault, _whole)
PROBLEM_EVENTS = EventSource.of(ListenerResource.LISTENER_RESOURCE_SERVICE_PROBLEM, PROBLEM, _whole)
PROBLEM_MANAGEMENT = Api(
    _ROOT,
    (
        Route.of(
            "GET",
            f"/{PROBLEM}",
            f"{_SERVICE}/ListFaults",
            _list,
            _listed,
            resource=_RESOURCE,
            selection=Selection(
                "-creationDate",
                {_STATUS: words_of(FaultState.DESCRIPTOR), _NUMBER: (), _CONTACT: ()},
                is_counted=True,
            ),
        ),
        Route.of(
            "POST",
            f"/{PROBLEM}",
            f"{_SERVICE}/ReportFault",
            _post,
            _posted,
            resource=_RESOURCE,
            attributes=REPORTED,
            places=REPORTED_PLACES,
            required=("description", "place"),
        ),
        Route.of("GET", f"/{PROBLEM}/{{id}}", f"{_SERVICE}/GetFault", _get, _got, resource=_RESOURCE),
        Route.of(
            "PATCH",
            f"/{PROBLEM}/{{id}}",
            f"{_SERVICE}/RespondToFault",
            _patch,
            _patched,
            [f"{_SERVICE}/CancelFault"],
            resource=_RESOURCE,
            attributes=CHANGED,
            places=CHANGED_PLACES,
        ),
        *hub_routes(_ROOT, PROBLEM_EVENTS),
    ),
    int(LONGEST_WAIT),
    (SERVICE_PROBLEM.page(_ROOT, "FaultService"),),
    "TMF656 Service Problem Management",
    OF_PROBLEMS,
)
