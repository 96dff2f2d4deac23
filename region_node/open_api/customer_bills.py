"""Bills as TMF678 CustomerBill (v4), and the papers of the customer by which they are read. Pure.

A GET has no body, so the papers come in a header. The number of the line is among them, and stands in no address.
"""

from collections.abc import Collection

from gateway.api.region.v1.billing_service_pb2 import Bill, QueryBillRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.values import base64url
from gateway.web.json_bodies import parsed
from gateway.web.json_texts import JsonObject, without_empty
from gateway.web.refusing import TYPE
from gateway.web.routes import IDENTITY_VERIFICATION
from region_node.business.billing.rules import is_month
from region_node.open_api.extension import Extension
from region_node.open_api.resources import (
    ORGANIZATION,
    Json,
    href_of,
    message_in,
    told_amount,
    told_reference,
    told_references,
    told_time,
)

BILL, MONTH, USAGE = "customerBill", "month", "usage"
_NEW, _VALIDATED = "new", "validated"
_PAPERS = ("number", "applicant", "documents")
CUSTOMER_BILL = Extension(
    "CrossregionCustomerBill",
    "CustomerBill",
    Bill.DESCRIPTOR,
    {
        MONTH: "month",
        "line": "lines",
        "openingBalance": "opening_balance",
        "closingBalance": "closing_balance",
        USAGE: "usage",
        "abnormal": "abnormal",
        "formerRegion": "former_region",
        "former": "former",
    },
)


def told_bill(bill: Bill, root: str, fields: Collection[str] = ()) -> JsonObject:
    """A bill as a CustomerBill. `fields` are the attributes that are wanted; all without."""
    name = id_of(bill)
    href, is_billed = href_of(root, BILL, name), bill.HasField("total")
    total = told_amount(bill.total) if is_billed else {}
    told: Json = {
        "id": name,
        "href": href,
        "category": "normal",
        "runType": "onCycle",
        "state": _VALIDATED if is_billed else _NEW,
        "billingPeriod": without_empty(
            {"startDateTime": told_time(bill, "start_time"), "endDateTime": told_time(bill, "end_time")}
        ),
        "billingAccount": told_reference(bill.billing_account_id, "BillingAccount"),
        "taxIncludedAmount": total,
        # A prepaid line has paid already.
        "amountDue": total if bill.HasField("payment_due_time") else {},
        "paymentDueDate": told_time(bill, "payment_due_time"),
        "relatedParty": told_references(told_reference(bill.region, ORGANIZATION, "issuer")),
        # TM Forum requires a document of each bill: its own address has all that there is.
        "billDocument": [{"id": name, "name": bill.month, "href": href, "mimeType": TYPE, "@type": "Attachment"}],
        **CUSTOMER_BILL.type_at(root),
    }
    return CUSTOMER_BILL.told(JsonObject.of(told), bill, fields)


def id_of(bill: Bill) -> str:
    """The id of a bill: the account and the month. Earlier versions of a home region tell no account."""
    return f"{bill.billing_account_id}/{bill.month}" if bill.billing_account_id else bill.month


def month_of(name: str) -> str:
    """The month in the id of a bill. Raises Refused with BILL_NOT_FOUND for what no bill has as its id."""
    month = name.rpartition("/")[2]
    if not is_month(month):
        raise _unknown(name)
    return month


def require_bill(bill: Bill, name: str) -> None:
    """Raises Refused with BILL_NOT_FOUND for a bill with another id."""
    if id_of(bill) != name:
        raise _unknown(name)


def shown_papers(said: str) -> QueryBillRequest:
    """The number, the applicant and the documents in a header. Raises Refused for what is of another form."""
    if not said:
        raise invalid(
            IDENTITY_VERIFICATION,
            "is missing: it is base64url of JSON with number, applicant and documents. SendCode and Verify of"
            " VerificationService give documents for a code; staff attest a paper that the customer shows",
            "缺失：其内容为含number、applicant、documents的JSON之base64url编码。可通过VerificationService的SendCode与Verify"
            "凭验证码取得documents，或由工作人员核验客户出示的证件",
        )
    try:
        data = base64url.decoded(said)
    except ValueError:
        raise invalid(IDENTITY_VERIFICATION, "is no base64url", "不是base64url编码") from None
    papers = parsed(data, IDENTITY_VERIFICATION)
    papers.require_known(_PAPERS)
    request = message_in(papers, QueryBillRequest())
    if not request.number:
        raise invalid(f"{IDENTITY_VERIFICATION}.number", "is missing", "缺失")
    return request


def _unknown(name: str) -> Refused:
    return Refused(Reason.REASON_BILL_NOT_FOUND, bill=name)
