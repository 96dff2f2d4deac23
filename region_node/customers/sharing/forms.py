"""Form checks of requests about shared records, at the calling and at the home region. Pure."""

import re

from gateway.api.federation.v1.configuration_pb2 import LegalBasis
from gateway.api.region.v1 import sharing_service_pb2 as api
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.values.requesters import SELF_SERVICE
from region_node.approvals.rules import require_another
from region_node.customers.documents.rules import require_document_id
from region_node.requests.checks import (
    Questioner,
    require_length,
    require_name,
    require_request_id,
    require_requester,
    require_size,
)

Asked = (
    api.ReadSharedCustomerRequest
    | api.GiveConsentRequest
    | api.WithdrawConsentRequest
    | api.ListGrantsRequest
    | api.ListDisclosuresRequest
)
_PAPER_LIMIT = 200  # characters of where a paper is filed
# The form of authorities' file numbers (GB/T 9704-2012, 7.2.5): the issuer, the year in brackets, the number. It is no
# free text, so it may be in the audit chain.
_FILE_NUMBER = re.compile(
    r"[\u4e00-\u9fffA-Za-z()（）-]{1,20}"
    r"[\[〔(（](?:19|20)\d\d[\]〕)）]"
    r"第?\d{1,8}号?",
    re.ASCII,
)
_ID_LIMIT = 256  # characters of the id of an order or a grant


def require_form(asked: Asked) -> None:
    """Raises Refused with REQUEST_INVALID, or with MESSAGE_TOO_LARGE for more than travels between regions."""
    require_request_id(asked.request_id)
    require_requester(asked.requester)
    require_size(asked.ByteSize())
    if isinstance(asked, api.ReadSharedCustomerRequest):
        require_length("purpose", asked.purpose, _ID_LIMIT, required=True)
        require_length("order_id", asked.order_id, _ID_LIMIT)
        _require_reference(asked)
        _require_approver(asked)
    elif isinstance(asked, api.GiveConsentRequest):
        _require_decision(asked)
    elif isinstance(asked, api.WithdrawConsentRequest):
        require_ids(asked)
        _require_one_way(asked)


def require_ids(asked: api.WithdrawConsentRequest | api.ConfirmConsentRequest) -> None:
    """Raises Refused with REQUEST_INVALID for a grant, reader or purpose that nothing can have as its name."""
    for field in ("grant_id", "reader", "purpose"):
        require_length(field, getattr(asked, field), _ID_LIMIT)


def require_claimant(legal_basis: LegalBasis.ValueType, questioner: Questioner) -> None:
    """Raises Refused with LEGAL_DUTY_BY_STAFF_ALONE for a duty that a system claims.

    Also for staff who read by neither a duty nor the consent of the customer.
    """
    is_duty = legal_basis == LegalBasis.LEGAL_BASIS_LEGAL_DUTY
    is_for_staff = is_duty or legal_basis == LegalBasis.LEGAL_BASIS_CONSENT
    if not is_for_staff if questioner.is_staff else is_duty:
        raise Refused(Reason.REASON_LEGAL_DUTY_BY_STAFF_ALONE)


def _require_reference(asked: api.ReadSharedCustomerRequest) -> None:
    if asked.reference and not _FILE_NUMBER.fullmatch(asked.reference):
        raise invalid(
            "reference", "not a file number such as 粤公网查〔2026〕17号", "须为文号，例如粤公网查〔2026〕17号"
        )
    if asked.reference and asked.legal_basis != LegalBasis.LEGAL_BASIS_LEGAL_DUTY:
        raise invalid("reference", "only for a legal duty", "仅限履行法定职责")


def _require_approver(asked: api.ReadSharedCustomerRequest) -> None:
    """Requires another person than the first, where a region tells one: older regions tell none."""
    if asked.legal_basis != LegalBasis.LEGAL_BASIS_LEGAL_DUTY:
        for field in ("approver_staff_id", "statement", "approver_statement"):
            if getattr(asked, field):
                raise invalid(field, "only for a legal duty", "仅限履行法定职责")
    if not asked.approver_staff_id:
        return
    require_name("approver_staff_id", asked.approver_staff_id)
    require_another(asked.requester.staff_id, asked.approver_staff_id)


def _require_decision(asked: api.GiveConsentRequest) -> None:
    require_length("purpose", asked.purpose, _ID_LIMIT, required=True)
    require_length("reader", asked.reader, _ID_LIMIT, required=True)
    if not asked.decision or asked.decision not in api.ConsentDecision.values():
        raise invalid("decision", "not set", "未填写")
    _require_one_way(asked)
    if asked.paper and asked.decision == api.ConsentDecision.CONSENT_DECISION_GRANTED:
        require_document_id(asked.paper, field="paper")


def _require_one_way(asked: api.GiveConsentRequest | api.WithdrawConsentRequest) -> None:
    """Requires a verification of the customer, or a signed paper seen by a named person."""
    require_length("paper", asked.paper, _PAPER_LIMIT)
    if bool(asked.documents) == bool(asked.paper.strip()):
        raise invalid(
            "documents",
            "exactly one of documents and paper says how it was given",
            "documents和paper须且仅须填写一项，以说明授权方式",
        )
    if asked.paper:
        # A paper was seen by a person: `self-service` sees nothing.
        require_name("requester.staff_id", asked.requester.staff_id)
        if asked.requester.staff_id == SELF_SERVICE:
            raise invalid(
                "requester.staff_id", "a paper is seen by a named member of staff", "纸质材料须由具名员工查验"
            )
