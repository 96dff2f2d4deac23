"""Faults as TMF656 has them: what maps comes back as it was, and nothing of a caller is passed over in silence."""

import json
from collections.abc import Mapping

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.region.v1 import fault_service_pb2 as api
from gateway.api.region.v1.fault_pb2 import Fault, FaultEvaluation, FaultPlace, FaultReport, FaultSeverity, FaultState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import Refused
from gateway.web.json_bodies import parsed
from gateway.web.selecting import DURATION, INT64
from region_node.open_api.problem_management import PROBLEM_MANAGEMENT
from region_node.open_api.samples import filled
from region_node.open_api.service_problems import SERVICE_PROBLEM, change, report_of, told_problem
from tests.unit.open_api_schemas import require_own_schema, require_schema

ROOT = "/tmf-api/serviceProblemManagement/v4"
FAULT, KEY = "guangdong/F20261129-7", "K1"
CLERK = Requester(staff_id="wang")
WAIT = Duration(seconds=5)
ASKED = (
    "category",
    "priority",
    "description",
    "reason",
    "originatorParty",
    "affectedResource",
    "affectedService",
    "affectedNumberOfServices",
    "underlyingAlarm",
    "place",
    "contactNumber",
    "terminalSuspected",
    "@type",
    "@baseType",
)
"""The attributes of a problem that a new one is asked for by."""

texts = st.text(st.characters(exclude_categories=["C"]), max_size=8)
reports = st.builds(
    FaultReport,
    number=texts,
    contact_number=texts,
    description=texts,
    place=st.none() | st.builds(FaultPlace, site=texts, link=texts, address=texts, region=texts, rural=st.booleans()),
    severity=st.sampled_from(FaultSeverity.values()),
    terminal_caused=st.booleans(),
    services=st.lists(texts.filter(bool), max_size=2),
    alarm_id=texts,
    requester=st.builds(Requester, staff_id=st.sampled_from(["", "wang"])),
)


def read(body: Mapping[str, object], requester: Requester | None = None) -> FaultReport:
    """The report of a body that came as JSON."""
    attributes = parsed(json.dumps(body).encode())
    made = report_of(attributes, requester or Requester())
    attributes.close()
    return made


def changed(body: Mapping[str, object]) -> Message:
    """The request for a change by a merge patch that came as JSON."""
    attributes = parsed(json.dumps(body).encode())
    made = change(attributes, FAULT, KEY, CLERK, WAIT)
    attributes.close()
    return made


@given(reports)
def test_what_is_told_of_a_fault_reports_the_same_again(report: FaultReport) -> None:
    told = told_problem(Fault(id=FAULT, report=report, origin_region="guangdong"), ROOT)
    again = read({name: told[name] for name in ASKED if name in told})
    if not report.place.ByteSize():
        report.ClearField("place")
    assert again == report


@pytest.mark.parametrize(
    ("body", "attribute"),
    [
        ({"name": "x"}, "name"),
        ({"category": "security"}, "category"),
        ({"reason": "rain"}, "reason"),
        ({"note": [{"text": "please"}]}, "note"),
        ({"affectedResource": [{"id": "1"}, {"id": "2"}]}, "affectedResource"),
        ({"affectedService": [{"id": "1", "name": "x"}]}, "affectedService[0].name"),
        ({"originatorParty": {"id": "wang", "role": "owner"}}, "originatorParty.role"),
        ({"affectedLocation": [{"name": "here"}]}, "affectedLocation"),
    ],
)
def test_what_a_fault_would_not_heed_is_refused_by_its_name(body: Mapping[str, object], attribute: str) -> None:
    with pytest.raises(Refused) as refused:
        read(body)
    assert refused.value.reason == Reason.REASON_ATTRIBUTE_UNSUPPORTED
    assert refused.value.parameters["attribute"] == attribute


@pytest.mark.parametrize(("attribute", "only"), [("category", "fault"), ("reason", "unknown")])
def test_an_attribute_of_a_new_fault_with_one_possible_value_is_refused_with_it(attribute: str, only: str) -> None:
    with pytest.raises(Refused) as refused:
        read({attribute: "other"})
    assert refused.value.parameters["problem"] == f"its only value is {only}"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"priority": 4}, "priority"),
        ({"priority": "1"}, "priority"),
        ({"place": {"room": 1}}, "place"),
        ({"affectedNumberOfServices": 1}, "affectedNumberOfServices"),
        ({"affectedNumberOfServices": False}, "affectedNumberOfServices"),
    ],
)
def test_what_has_another_form_is_refused_by_its_place(body: Mapping[str, object], field: str) -> None:
    with pytest.raises(Refused) as refused:
        read(body)
    assert (refused.value.reason, refused.value.parameters["field"]) == (Reason.REASON_REQUEST_INVALID, field)


@pytest.mark.parametrize(
    ("body", "request_"),
    [
        ({"status": "cancelled", "statusChangeReason": "it works"}, api.CancelFaultRequest(reason="it works")),
        ({"status": "inProgress", "statusChangeReason": "dead"}, api.RespondToFaultRequest(not_repaired="dead")),
        ({"note": [{"text": "at home"}]}, api.RespondToFaultRequest(text="at home")),
        (
            {"evaluation": {"attitude": 4, "quality": 5, "speed": 1}},
            api.RespondToFaultRequest(evaluation=FaultEvaluation(attitude=4, quality=5, speed=1)),
        ),
    ],
)
def test_a_merge_patch_is_the_one_rpc_that_makes_its_change(
    body: Mapping[str, object], request_: api.CancelFaultRequest | api.RespondToFaultRequest
) -> None:
    request_.request_id, request_.fault_id = KEY, FAULT
    request_.requester.CopyFrom(CLERK)
    request_.wait.CopyFrom(WAIT)
    assert changed(body) == request_


@pytest.mark.parametrize(
    ("body", "attribute"),
    [
        ({}, "note"),
        ({"status": "closed"}, "status"),
        ({"priority": 1}, "note"),
        ({"status": "cancelled", "note": [{"text": "x"}]}, "note"),
    ],
)
def test_a_merge_patch_that_no_rpc_makes_is_refused_by_its_name(body: Mapping[str, object], attribute: str) -> None:
    with pytest.raises(Refused) as refused:
        changed(body)
    assert refused.value.reason == Reason.REASON_ATTRIBUTE_UNSUPPORTED
    assert refused.value.parameters["attribute"] == attribute


def test_flags_and_numbers_of_problems_select_and_sort_where_the_contract_leaves_them_out() -> None:
    paths = PROBLEM_MANAGEMENT.routes[0].paths
    assert {
        name: paths[name].get("default") for name in ("terminalCaused", "reopenings", "repair.parts.inWarranty")
    } == {
        "terminalCaused": False,
        "reopenings": 0,
        "repair.parts.inWarranty": False,
    }
    amount, limit = paths["outage.waiver.amount.minorUnits"], paths["outage.limit.duration"]
    assert (amount["format"], amount["default"]) == (INT64, "0")
    assert (limit["format"], limit.get("default")) == (DURATION, None)
    assert "default" not in paths["place.address"], "an empty text selects nothing"


def test_what_is_told_has_the_schemas_that_it_names() -> None:
    fault = filled(Fault())
    assert isinstance(fault, Fault)
    fault.state = fault.state_changes[0].state = FaultState.FAULT_STATE_RESOLVED
    told = told_problem(fault, ROOT)
    assert told.keys() >= SERVICE_PROBLEM.paths.keys() | {"resolutionDate", "lastUpdate"}
    require_own_schema(told, SERVICE_PROBLEM)
    require_schema("TMF656-ServiceProblem-v4.0.0.swagger.json", "ServiceProblem", told, SERVICE_PROBLEM)
