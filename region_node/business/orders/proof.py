"""The notices about an order that another region attests, and that waits for the customer's proof (STEP_VERIFY).

Papers that a region has seen prove nothing to another one. With the customer's code or password the order goes on at
once. A customer without a telephone is not locked out: staff of the home region may decide, and the time runs out.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.store.port import Transaction
from region_node.business.orders.business import Situation
from region_node.customers.notices.rows import Notice
from region_node.customers.rows import lines_after

VERIFY = "verify"
"""The action that such an order waits for."""
_OTHER_LINES = 3  # of a customer that are told, too: a company may have thousands


def proof_notices(tx: Transaction, situation: Situation, due: datetime) -> Iterator[Notice]:
    """A notice to the line, and to some more lines of the customer: the telephone of the line may be stolen."""
    order, line, text = situation.order, situation.line, _text(situation, due)
    yield Notice(f"{order.id}#verify", "order-verify", line.number, text)
    for other in lines_after(tx, line.customer_id, "", _OTHER_LINES + 1):
        is_reached = other.customer_id == line.customer_id and other.status == ProductStatus.PRODUCT_STATUS_ACTIVE
        if is_reached and other.product_id != line.product_id:
            yield Notice(f"{order.id}#verify@{other.product_id}", "order-verify", other.number, text)


def _text(situation: Situation, due: datetime) -> LocalizedText:
    """Which business, where, from when on, and what to do. The minute is never earlier than `due`."""
    name = situation.business.name
    region = situation.federation.region(situation.order.origin_region).name
    minute = due.astimezone(ZoneInfo(situation.time_zone)) + timedelta(seconds=59)
    time = minute.strftime("%Y-%m-%d %H:%M")
    return LocalizedText(
        zh_cn=f"{region.zh_cn}受理了您名下号码的业务：{name.zh_cn}，{time}起办理。"
        "本人办理的，可凭短信验证码立即办理；非本人操作的，请立即联系归属地客服撤销。",
        en=f"{region.en} took in an order for a number of yours: {name.en}. It is carried out from {time} on."
        " A code sent by SMS has it done at once. If this was not you, call your home region at once.",
    )
