"""The notices to the customer about a support request, by the opening region. No text names its subject."""

from datetime import datetime

from gateway.api.region.v1.support_request_pb2 import SupportRequest
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.store.port import Transaction
from region_node.customers.notices.rows import Notice, tell
from region_node.network.support import rules


def tell_opened(tx: Transaction, request: SupportRequest, now: datetime) -> None:
    """The notice of the ticket id."""
    text = LocalizedText(
        zh_cn=f"您的技术支持请求已受理，编号{request.id}。",
        en=f"Your request for technical support was taken in as {request.id}.",
    )
    _tell(tx, request, "opened", text, now)


def tell_changed(tx: Transaction, before: SupportRequest, request: SupportRequest, now: datetime) -> None:
    """The notice of each resolution."""
    if before.state == request.state or request.state != rules.RESOLVED:
        return
    text = LocalizedText(
        zh_cn=f"您的技术支持请求{request.id}已处理完毕，如仍有问题请告知我们。",
        en=f"Your request for technical support {request.id} is resolved. Tell us if it is not.",
    )
    _tell(tx, request, f"resolved/{len(request.state_changes)}", text, now)


def _tell(tx: Transaction, request: SupportRequest, what: str, text: LocalizedText, now: datetime) -> None:
    kind = f"support-{what.partition('/')[0]}"
    tell(tx, Notice(f"support/{request.id}/{what}", kind, request.inquiry.number, text), now)
