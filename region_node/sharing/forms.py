"""What questions about shared records must look like, at the asking and at the home region. Pure."""

from gateway.api.region.v1 import sharing_service_pb2 as api
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from region_node.orders.rules import require_size
from region_node.requests import require_length, require_name, require_request_id, require_requester

Asked = (
    api.ReadSharedCustomerRequest
    | api.GiveConsentRequest
    | api.WithdrawConsentRequest
    | api.ListGrantsRequest
    | api.ListDisclosuresRequest
)
_REFERENCE_LIMIT = 200  # characters of what obliges, or of where a paper is filed
_ID_LIMIT = 256  # characters of the id of an order or a grant


def require_form(asked: Asked) -> None:
    """Raises Refused with REQUEST_INVALID, or with MESSAGE_TOO_LARGE for more than travels between regions."""
    require_request_id(asked.request_id)
    require_requester(asked.requester)
    require_size(asked.ByteSize())
    if isinstance(asked, api.ReadSharedCustomerRequest):
        require_length("purpose", asked.purpose, _ID_LIMIT, required=True)
        require_length("order_id", asked.order_id, _ID_LIMIT)
        require_length("reference", asked.reference, _REFERENCE_LIMIT)
    elif isinstance(asked, api.GiveConsentRequest):
        _require_decision(asked)
    elif isinstance(asked, api.WithdrawConsentRequest):
        for field in ("grant_id", "reader", "purpose"):
            require_length(field, getattr(asked, field), _ID_LIMIT)
        _require_one_way(asked)


def _require_decision(asked: api.GiveConsentRequest) -> None:
    require_length("purpose", asked.purpose, _ID_LIMIT, required=True)
    require_length("reader", asked.reader, _ID_LIMIT, required=True)
    if not asked.decision or asked.decision not in api.ConsentDecision.values():
        raise Refused(Reason.REASON_REQUEST_INVALID, field="decision", problem="not set")
    _require_one_way(asked)


def _require_one_way(asked: api.GiveConsentRequest | api.WithdrawConsentRequest) -> None:
    """The customer was verified, or has signed a paper that somebody named has seen."""
    require_length("paper", asked.paper, _REFERENCE_LIMIT)
    if bool(asked.documents) == bool(asked.paper.strip()):
        problem = "exactly one of documents and paper says how it was given"
        raise Refused(Reason.REASON_REQUEST_INVALID, field="documents", problem=problem)
    if asked.paper:
        # A paper was seen by a person: `self-service` sees nothing.
        require_name("requester.staff_id", asked.requester.staff_id)
        if asked.requester.staff_id == "self-service":
            problem = "a paper is seen by a named member of staff"
            raise Refused(Reason.REASON_REQUEST_INVALID, field="requester.staff_id", problem=problem)
