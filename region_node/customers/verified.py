"""The verified customer: the condition of calls that only the customer may make (as business QRY_PROFILE requires)."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from gateway.api.federation.v1.configuration_pb2 import ProofWay
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Document, Requester
from gateway.errors import Refused
from gateway.store.port import Transaction
from region_node.customers.documents.register import require_on_file, with_file
from region_node.customers.documents.rules import require_documents, require_fresh, require_materials
from region_node.customers.operations import own_line
from region_node.customers.rows import Line
from region_node.customers.verification.rows import find_key
from region_node.customers.verification.rules import CHECKED_AT_HOME, OTP, OTP_CONTACT, require_verified
from region_node.node.context import RegionContext
from region_node.requests.checks import Questioner

QRY_PROFILE = "QRY_PROFILE"


class Verified(Protocol):
    """A request with its verification at the home region. The number is in E.164."""

    @property
    def request_id(self) -> str:
        """The request id of the verification."""
        ...

    @property
    def number(self) -> str:
        """The customer's number."""
        ...

    @property
    def applicant(self) -> Applicant.ValueType:
        """The kind of applicant."""
        ...

    @property
    def documents(self) -> Sequence[Document]:
        """The verified materials."""
        ...


def verified_line(
    tx: Transaction,
    context: RegionContext,
    asked: Verified,
    questioner: Questioner,
    now: datetime,
    completed_for: Requester | None = None,
    ways: Collection[ProofWay.ValueType] = (),
) -> Line:
    """The line of a verified customer of this region, also of a restricted one.

    `completed_for`: the requester for whom documents on file complete those of the request; none do without one. With
    a code to another contact among `ways`, such a code counts as one to the line.

    Raises Refused as the documents of QRY_PROFILE do, with NOT_VERIFIED, or with SUBSCRIPTION_NOT_FOUND. Raises Moved
    where the number belongs to another region.
    """
    # First, for an invented proof would tell of whom documents are on file.
    require_verified(find_key(tx), questioner.subject(asked.request_id), asked.number, asked.documents)
    require_present(context, questioner, asked.documents, now)
    business = context.federation.prepared(QRY_PROFILE)
    request = OrderRequest(
        business=QRY_PROFILE,
        number=asked.number,
        applicant=asked.applicant,
        documents=asked.documents if ProofWay.PROOF_WAY_CODE_TO_CONTACT not in ways else _as_to_line(asked.documents),
        requester=completed_for,
    )
    if completed_for is not None:
        request = with_file(tx, context, business, request, now)
    require_documents(business, request, now)
    require_materials(context.federation.material_codes, asked.documents)
    line = own_line(tx, context.federation, context.region, asked.number, asking=questioner.region)
    require_on_file(tx, context, request.documents, line.customer_id, now)
    return line


def require_code_of_staff(questioner: Questioner, documents: Sequence[Document]) -> None:
    """Raises DOCUMENT_MISSING for staff who call without an operator system, and show no code."""
    if questioner.is_staff and all(each.code != OTP for each in documents):
        raise Refused(Reason.REASON_DOCUMENT_MISSING, documents=OTP)


def require_present(
    context: RegionContext, questioner: Questioner, documents: Sequence[Document], now: datetime
) -> None:
    """Raises Refused unless codes and passwords that are shown are as fresh as QRY_PROFILE demands.

    That counts whatever business reads: papers count for months, and a code with them would. Staff who call without an
    operator system show a code. Raises DOCUMENT_MISSING or DOCUMENT_STALE. `require_verified` has passed the documents.
    """
    require_code_of_staff(questioner, documents)
    shown = [each for each in documents if each.code in CHECKED_AT_HOME]
    if shown:
        require_fresh(context.federation.prepared(QRY_PROFILE), shown, now)


def _as_to_line(documents: Sequence[Document]) -> Sequence[Document]:
    """Documents of which those for a code to another contact stand for one to the line."""
    found = []
    for each in documents:
        same = Document()
        same.CopyFrom(each)
        same.code = OTP if each.code == OTP_CONTACT else each.code
        found.append(same)
    return found
