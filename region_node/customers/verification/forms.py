"""Form checks of requests to send, check and change, at the calling and at the home region. Pure."""

from gateway.api.region.v1 import verification_service_pb2 as api
from gateway.errors import invalid
from region_node.customers.other_contacts.rules import mask_of
from region_node.customers.verification.rules import require_strong
from region_node.requests.checks import require_length, require_request_id, require_requester

Asked = api.SendCodeRequest | api.VerifyRequest | api.ChangePasswordRequest
_LIMIT = 64  # characters of a claimed code or password: the right ones have six


def require_form(request: Asked) -> None:
    """Raises Refused with REQUEST_INVALID, or with PASSWORD_WEAK for a new password that is easily guessed."""
    require_request_id(request.request_id)
    require_requester(request.requester)
    if isinstance(request, api.SendCodeRequest):
        if request.contact and request.contact != mask_of(request.contact):
            raise invalid("contact", "not the mask of a number", "不是号码掩码")
        return
    require_length("code", request.code, _LIMIT)
    require_length("password", request.password, _LIMIT)
    if not request.code and not request.password:
        raise invalid("code", "not set, and no password either", "未填写，也没有密码")
    if isinstance(request, api.ChangePasswordRequest):
        require_strong(request.new_password)
