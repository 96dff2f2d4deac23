"""Complaints as TMF621 has them: what maps comes back as it was, and nothing of a caller is passed over in silence."""

import json
from collections.abc import Mapping

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import ComplaintSeverity
from gateway.api.region.v1 import complaint_service_pb2 as api
from gateway.api.region.v1.complaint_pb2 import (
    Complaint,
    ComplaintChannel,
    ComplaintRequest,
    ComplaintState,
    Remedy,
    Resolution,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Channel, Money, Requester
from gateway.errors import Refused
from gateway.values.lists import one_of
from gateway.web.json_bodies import parsed
from region_node.open_api.samples import filled
from region_node.open_api.trouble_tickets import TROUBLE_TICKET, change, filing, told_ticket
from region_node.open_api.versions import V4
from tests.unit.open_api_schemas import require_own_schema, require_schema

ROOT = "/tmf-api/troubleTicket/v4"
TICKET, KEY = "guangdong/20261129-7", "K1"
CLERK = Requester(staff_id="wang", channel=Channel.CHANNEL_COUNTER)
ASKED = (
    "description",
    "severity",
    "ticketType",
    "channel",
    "relatedEntity",
    "relatedParty",
    "category",
    "remedySought",
    "locationRegion",
    "ruralArea",
    "@type",
    "@baseType",
)
"""The attributes of a ticket that a new one is asked for by."""
LINE = {"relatedEntity": [{"id": "1", "role": "affected"}]}

texts = st.text(st.characters(exclude_categories=["C"]), max_size=8)
filings = st.builds(
    ComplaintRequest,
    category=texts,
    number=texts.filter(bool),
    contact_number=texts,
    description=texts,
    remedy_sought=st.sampled_from(Remedy.values()),
    channel=st.sampled_from(ComplaintChannel.values()),
    location_region=texts,
    rural_area=st.booleans(),
    requester=st.builds(Requester, staff_id=st.sampled_from(["", "wang"])),
)


def told(complaint: Complaint) -> Mapping[str, object]:
    """A complaint as it is told in a list."""
    return told_ticket(api.GetComplaintResponse(complaint=complaint), ROOT)


def objects(held: object) -> list[dict[str, object]]:
    """The objects of an array."""
    assert isinstance(held, list)
    return held


def read(body: Mapping[str, object], requester: Requester | None = None) -> ComplaintRequest:
    """The filing of a body that came as JSON."""
    attributes = parsed(json.dumps(body).encode())
    made = filing(attributes, requester or Requester(), V4)
    attributes.close()
    return made


def changed(body: Mapping[str, object]) -> Message:
    """The request for a change by a merge patch that came as JSON."""
    attributes = parsed(json.dumps(body).encode())
    made = change(attributes, TICKET, KEY, CLERK, Duration(seconds=5), V4)
    attributes.close()
    return made


@given(filings, st.sampled_from(ComplaintSeverity.values()))
def test_what_is_told_of_a_complaint_files_the_same_again(
    request: ComplaintRequest, severity: ComplaintSeverity.ValueType
) -> None:
    answer = told(Complaint(ticket_id=TICKET, request=request, severity=severity, origin_region="guangdong"))
    parties = [each for each in objects(answer.get("relatedParty", [])) if each["role"] == "requester"]
    asked = {**{name: answer[name] for name in ASKED if name in answer}, "relatedParty": parties}
    assert read(asked) == request


@pytest.mark.parametrize(
    ("body", "attribute"),
    [
        ({"priority": "1"}, "priority"),
        ({"name": "bill"}, "name"),
        ({"requestedResolutionDate": "2027-01-01T00:00:00Z"}, "requestedResolutionDate"),
        ({"note": [{"text": "please"}]}, "note"),
        ({"attachment": [{"name": "scan"}]}, "attachment"),
        ({"ticketType": "incident"}, "ticketType"),
        ({"@type": "OtherTicket"}, "@type"),
        ({"relatedParty": [{"id": "x", "role": "payer"}]}, "relatedParty[0].role"),
        ({"relatedEntity": [{"id": "x", "role": "cause"}]}, "relatedEntity[0].role"),
        ({"relatedEntity": [{"id": "x", "role": "affected", "name": "line"}]}, "relatedEntity[0].name"),
        ({"channel": {"id": "web", "href": "there"}}, "channel.href"),
    ],
)
def test_what_a_complaint_would_not_heed_is_refused_by_its_name(body: Mapping[str, object], attribute: str) -> None:
    with pytest.raises(Refused) as refused:
        read({**LINE, **body})
    assert refused.value.reason == Reason.REASON_ATTRIBUTE_UNSUPPORTED
    assert refused.value.parameters["attribute"] == attribute


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"severity": "dreadful"}, "severity"),
        ({"remedySought": "refund"}, "remedySought"),
        ({"remedySought": "REMEDY_UNSPECIFIED"}, "remedySought"),
        ({"ruralArea": "yes"}, "ruralArea"),
        ({"channel": {}}, "channel.id"),
        ({}, "relatedEntity"),
        ({"relatedEntity": [{"id": "1", "role": "contact"}]}, "relatedEntity"),
        ({"relatedEntity": [{"role": "affected"}]}, "relatedEntity[0].id"),
        ({"relatedEntity": 2 * [{"id": "1", "role": "affected"}]}, "relatedEntity[1].role"),
    ],
)
def test_what_has_another_form_is_refused_by_its_place(body: Mapping[str, object], field: str) -> None:
    with pytest.raises(Refused) as refused:
        read(body)
    assert (refused.value.reason, refused.value.parameters["field"]) == (Reason.REASON_REQUEST_INVALID, field)


def test_the_refusal_of_a_word_names_those_that_are_known() -> None:
    with pytest.raises(Refused) as refused:
        read({"severity": "minor"})
    assert refused.value.parameters["problem"] == "it is one of s1, s2, s3, s4"
    assert one_of(["s1"])[0] == "it is s1"
    assert refused.value.parameters["problem_zh_cn"] == "可用值为s1、s2、s3、s4"


@pytest.mark.parametrize(
    ("body", "request_"),
    [
        (
            {"status": "cancelled", "statusChangeReason": "mistake"},
            api.WithdrawComplaintRequest(reason="mistake", requester=CLERK, wait=Duration(seconds=5)),
        ),
        (
            {"status": "closed", "rating": 4},
            api.AcceptResolutionRequest(rating=4, requester=CLERK, wait=Duration(seconds=5)),
        ),
        (
            {"status": "inProgress", "statusChangeReason": "too little", "toRegulator": True},
            api.RefuseResolutionRequest(
                reason="too little", to_regulator=True, requester=CLERK, wait=Duration(seconds=5)
            ),
        ),
        (
            {
                "status": "resolved",
                "resolution": {
                    "text": "paid back",
                    "causeCode": "billing-error",
                    "remedy": "REMEDY_REFUND",
                    "amount": {"minorUnits": "1200", "currency": "CNY"},
                },
            },
            api.ProposeResolutionRequest(
                text="paid back",
                cause_code="billing-error",
                remedy=Remedy.REMEDY_REFUND,
                amount=Money(minor_units=1200, currency="CNY"),
            ),
        ),
        (
            {"category": "BILL_WRONG", "statusChangeReason": "read again"},
            api.ClassifyComplaintRequest(category="BILL_WRONG", reason="read again"),
        ),
        (
            {"note": [{"text": "and now?"}]},
            api.RespondToComplaintRequest(text="and now?", requester=CLERK, wait=Duration(seconds=5)),
        ),
    ],
)
def test_a_merge_patch_is_the_one_rpc_that_makes_its_change(body: Mapping[str, object], request_: Message) -> None:
    request_.MergeFrom(type(request_)(request_id=KEY, ticket_id=TICKET))
    assert changed(body) == request_


@pytest.mark.parametrize(
    ("body", "attribute"),
    [
        ({}, "note"),
        ({"note": 2 * [{"text": "and now?"}]}, "note"),
        ({"note": [{"text": "and now?", "author": "guangdong/wang"}]}, "note[0].author"),
        ({"status": "held"}, "status"),
        ({"status": "closed", "statusChangeReason": "content"}, "statusChangeReason"),
        ({"status": "cancelled", "note": [{"text": "and now?"}]}, "note"),
        ({"status": "resolved", "resolution": {"author": "guangdong/li"}}, "resolution"),
        ({"description": "otherwise"}, "note"),
        ({"note": [{"text": "and now?"}], "description": "otherwise"}, "description"),
    ],
)
def test_a_merge_patch_that_no_rpc_makes_is_refused_by_its_name(body: Mapping[str, object], attribute: str) -> None:
    with pytest.raises(Refused) as refused:
        changed(body)
    assert refused.value.reason == Reason.REASON_ATTRIBUTE_UNSUPPORTED
    assert refused.value.parameters["attribute"] == attribute


def test_a_ticket_tells_when_it_was_resolved_until_it_goes_on() -> None:
    complaint = Complaint(ticket_id=TICKET, state=ComplaintState.COMPLAINT_STATE_IN_PROGRESS)
    for second, state in enumerate(
        (ComplaintState.COMPLAINT_STATE_IN_PROGRESS, ComplaintState.COMPLAINT_STATE_RESOLVED)
    ):
        complaint.state = state
        complaint.state_changes.add(state=state, reason=f"step {second}").time.seconds = second
    answer = told(complaint)
    assert (answer["resolutionDate"], answer["statusChangeReason"]) == ("1970-01-01T00:00:01Z", "step 1")
    complaint.notes.add(text="late", author="guangdong/li").time.seconds = 9
    assert told(complaint)["lastUpdate"] == "1970-01-01T00:00:09Z"
    complaint.state = ComplaintState.COMPLAINT_STATE_IN_PROGRESS
    assert "resolutionDate" not in told(complaint)


def test_what_is_told_has_the_schemas_that_it_names() -> None:
    held = filled(api.GetComplaintResponse())
    assert isinstance(held, api.GetComplaintResponse)
    held.complaint.resolution.CopyFrom(Resolution(text="paid back"))
    answer = told_ticket(held, ROOT)
    assert answer.keys() >= TROUBLE_TICKET.paths.keys()
    require_own_schema(answer, TROUBLE_TICKET)
    require_schema("TMF621-TroubleTicket-v4.0.0.swagger.json", "TroubleTicket", answer, TROUBLE_TICKET)
