"""The notices to the customer about a joint order, by the leading region. No text names its business."""

from collections.abc import Mapping
from datetime import datetime

from gateway.api.region.v1.joint_order_pb2 import JointOrder, JointOrderState
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.store.port import Transaction
from region_node.business.joint import saga
from region_node.customers.notices.rows import Notice, tell

_TEXTS: Mapping[JointOrderState.ValueType, tuple[str, str]] = {
    saga.SURVEYING: (
        "您的联办订单已受理，编号{order}，各地区正在勘查。",
        "Your order of several regions was taken in as {order}. Every region surveys it.",
    ),
    saga.IN_PROGRESS: (
        "您的联办订单{order}已确认办理，各地区正在施工。",
        "Your order {order} is confirmed. The regions work on it.",
    ),
    saga.COMPLETED: ("您的联办订单{order}已全部办理完毕。", "Your order {order} is complete."),
    saga.PARTIAL: (
        "您的联办订单{order}已部分办理完毕，其余部分无法办理。",
        "Your order {order} is done in part. The rest is not possible.",
    ),
    saga.FAILED: (
        "您的联办订单{order}无法办理，未作任何变更。",
        "Your order {order} is not possible. Nothing was changed.",
    ),
    saga.CANCELLED: (
        "您的联办订单{order}已取消，未作任何变更。",
        "Your order {order} is cancelled. Nothing was changed.",
    ),
}


def tell_changed(tx: Transaction, order: JointOrder, before: JointOrderState.ValueType, now: datetime) -> None:
    """The notice of each new state that concerns the customer."""
    texts = _TEXTS.get(order.state)
    if texts is None or order.state == before or not order.request.number:
        return
    zh_cn, en = (each.format(order=order.id) for each in texts)
    name = saga.state_name(order.state)
    text = LocalizedText(zh_cn=zh_cn, en=en)
    tell(tx, Notice(f"joint/{order.id}/{name}", f"joint-{name}", order.request.number, text), now)
