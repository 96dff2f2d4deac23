"""Bills as TMF678 has them, and the papers in a header by which they are read."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from google.protobuf.duration_pb2 import Duration

from gateway.api.region.v1.billing_service_pb2 import Bill, QueryBillRequest, QueryBillResponse
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Requester
from gateway.errors import Refused
from gateway.values import base64url
from gateway.web.json_bodies import Attributes
from gateway.web.listed import Listed
from gateway.web.routes import Answer, Asked
from region_node.open_api.bill_management import BILL_MANAGEMENT
from region_node.open_api.customer_bills import CUSTOMER_BILL, shown_papers, told_bill
from region_node.open_api.samples import filled
from tests.unit.open_api_schemas import require_own_schema, require_schema

ROOT = "/tmf-api/customerBillManagement/v4"
NUMBER = "+8613800138000"
PAPERS = {"number": NUMBER, "applicant": "APPLICANT_HOLDER", "documents": [{"code": "ID_ORIG"}]}
LIST, GET, *_ = BILL_MANAGEMENT.routes


def header(said: object) -> str:
    """What a caller shows, as the header has it."""
    return base64url.encoded(json.dumps(said).encode())


def asked(query: Mapping[str, str], name: str = "") -> Asked:
    """A request with papers; for one bill where its id is given."""
    names = {"id": name} if name else {}
    return Asked(ROOT, names, query, "en", Requester(), "R1", Duration(), Attributes({}, ""), header(PAPERS))


def query_of(request: object) -> QueryBillRequest:
    """The request of the RPC."""
    assert isinstance(request, QueryBillRequest)
    return request


def test_a_bill_has_the_id_of_its_account_and_month_and_only_billed_months_have_amounts() -> None:
    told = told_bill(Bill(month="2026-10", billing_account_id="account-7", region="sichuan"), ROOT)
    assert (told["id"], told["href"]) == ("account-7/2026-10", f"{ROOT}/customerBill/account-7%2F2026-10")
    assert (told["state"], told.keys() & {"taxIncludedAmount", "amountDue"}) == ("new", set())
    bill = filled(Bill())
    bill.total.minor_units = 2950
    told = told_bill(bill, ROOT)
    assert (told["state"], told["amountDue"]) == ("validated", {"unit": "text", "value": 29.5})
    bill.ClearField("payment_due_time")
    assert "amountDue" not in told_bill(bill, ROOT), "a prepaid line owes nothing for a bill"
    assert told_bill(Bill(month="2026-10"), ROOT)["id"] == "2026-10", "an earlier version tells no account"


def test_what_is_told_has_the_schemas_that_it_names() -> None:
    told = dict(told_bill(filled(Bill()), ROOT))
    told["state"] = "new"
    require_own_schema(told, CUSTOMER_BILL)
    require_schema("TMF678-CustomerBill-v4.0.0.swagger.json", "CustomerBill", told, CUSTOMER_BILL)


def listed(request: Asked, bill: Bill) -> tuple[str, str]:
    """The path of the list with a bill, and the token behind it."""
    told = LIST.answer(request, QueryBillResponse(bill=bill))
    assert isinstance(told, Listed)
    return told.path, told.token


def test_papers_say_whose_bill_it_is_and_the_usage_is_asked_for_by_its_name_alone() -> None:
    request = query_of(GET.request(asked({}, "account-7/2026-10")))
    assert (request.number, request.applicant) == (NUMBER, Applicant.APPLICANT_HOLDER)
    assert [each.code for each in request.documents] == ["ID_ORIG"]
    assert (request.month, request.request_id, request.itemised) == ("2026-10", "R1", False)
    assert query_of(GET.request(asked({"fields": "usage"}, "2026-10"))).itemised


def test_a_list_leads_from_month_to_month_as_far_as_bills_are_kept_and_a_named_month_is_alone() -> None:
    assert query_of(LIST.request(asked({}))).month == ""
    bill = Bill(month="2026-10", previous_month="2026-09")
    assert listed(asked({}), bill) == (f"{ROOT}/customerBill", "2026-09")
    assert query_of(LIST.request(asked({"pageToken": "2026-09"}))).month == "2026-09"
    named = asked({"month": "2026-10"})
    assert query_of(LIST.request(named)).month == "2026-10"
    assert listed(named, bill)[1] == listed(asked({}), Bill(month="2026-10"))[1] == ""


def test_another_bill_than_that_of_the_id_is_not_told() -> None:
    response = QueryBillResponse(bill=Bill(month="2026-10", billing_account_id="account-7"))
    found = GET.answer(asked({}, "account-7/2026-10"), response)
    assert isinstance(found, Answer)
    assert found.status == 200
    with pytest.raises(Refused) as told:
        GET.answer(asked({}, "account-8/2026-10"), response)
    assert told.value.reason == Reason.REASON_BILL_NOT_FOUND
    with pytest.raises(Refused) as told:
        GET.request(asked({}, "guangdong/none"))
    assert told.value.reason == Reason.REASON_BILL_NOT_FOUND


def test_without_papers_the_refusal_says_which_header_is_missing_and_how_to_get_them() -> None:
    with pytest.raises(Refused) as told:
        shown_papers("")
    assert told.value.parameters["field"] == "Identity-Verification"
    for problem in (told.value.parameters["problem"], told.value.parameters["problem_zh_cn"]):
        assert all(each in problem for each in ("base64url", "documents", "VerificationService"))


@pytest.mark.parametrize(
    "said",
    [
        "ÿ",
        "=",
        base64url.encoded(b"{"),
        header([]),
        header({**PAPERS, "documents": "ID_ORIG"}),
        header({**PAPERS, "applicant": "nobody"}),
        header({**PAPERS, "month": "2026-10"}),
        header({**PAPERS, "requester": {}}),
    ],
)
def test_papers_of_another_form_are_refused_at_their_header(said: str) -> None:
    with pytest.raises(Refused) as told:
        shown_papers(said)
    place = told.value.parameters.get("field", told.value.parameters.get("attribute", ""))
    assert place.startswith("Identity-Verification")
    assert NUMBER not in str(told.value.parameters)


@pytest.mark.parametrize("path", ["usage.otherNumber", "former.usage.otherNumber"])
def test_a_bill_is_itemised_where_an_attribute_of_its_usage_selects(path: str) -> None:
    assert {path, "line.time"} <= LIST.paths.keys()
    for fields in ({}, {"fields": "id"}):
        made = [query_of(LIST.request(replace(asked(fields), within={each: ("1",)}))) for each in (path, "line.time")]
        assert [each.itemised for each in made] == [True, False]
