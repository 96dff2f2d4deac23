"""Orders in everyday words: the customer's text, the next actor, and the end of a call."""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.order_pb2 import Order, OrderState, Party
from gateway.api.types.v1.types_pb2 import LocalizedText, Money
from gateway.errors import Refused, Unreachable, reason_name, status_code, text
from gateway.time.clock import from_timestamp
from gateway.values.money import in_major_units
from gateway.values.names import camel_case

ZONE = ZoneInfo("Asia/Shanghai")  # of every region of the shipped configuration
_DONE = {
    "SUSPEND": LocalizedText(zh_cn="您的号码已停机保号", en="Your line is suspended"),
    "RESUME": LocalizedText(zh_cn="您的号码已复机", en="Your line is in service again"),
    "PAY": LocalizedText(zh_cn="交费已入账", en="Your payment is booked"),
    "PLAN_CHANGE": LocalizedText(zh_cn="新套餐已生效", en="Your new plan is in force"),
    "LOSS_REPORT": LocalizedText(zh_cn="已挂失停机", en="Reported lost; your line is suspended"),
    "SIM_REPLACE": LocalizedText(zh_cn="新卡已启用，号码已恢复", en="Your new card works; the line is in service"),
    "PWD_RESET": LocalizedText(zh_cn="密码已重置，请用验证码设置新密码", en="Reset; set a new password with a code"),
    "PROFILE_UPD": LocalizedText(zh_cn="资料已更新", en="Your details are corrected"),
    "ROAMING": LocalizedText(zh_cn="国际漫游已开通", en="International roaming is open"),
    "VAS_CANCEL": LocalizedText(zh_cn="增值业务已退订", en="The service is cancelled"),
    "RENEW": LocalizedText(zh_cn="合约已续签", en="Your contract is renewed"),
    "NEW_LINE": LocalizedText(zh_cn="新号码已开通并验收", en="Your new line is open and handed over"),
    "BB_INSTALL": LocalizedText(zh_cn="宽带已装好并验收", en="Your broadband is installed and handed over"),
    "BB_INSTALL_RURAL": LocalizedText(zh_cn="宽带已装好并验收", en="Your broadband is installed and handed over"),
    "BILL_CORRECTION": LocalizedText(zh_cn="账单已更正", en="Your bill is corrected"),
    "TERMINATE": LocalizedText(zh_cn="已销户，余额将退还", en="Your line is closed; you get the balance back"),
}
_WAITS = {
    "review": LocalizedText(zh_cn="归属地审核中", en="Your home region is reviewing it"),
    "supplement": LocalizedText(zh_cn="请补交材料", en="Please bring the missing document"),
    "accept": LocalizedText(zh_cn="请验收", en="Please try it and take it over"),
    "adjust": LocalizedText(zh_cn="归属地调整中", en="Your home region is putting it right"),
    "provision": LocalizedText(zh_cn="归属地系统办理中", en="Your home region's systems are at it"),
    "fulfil": LocalizedText(zh_cn="归属地人工处理中", en="Your home region's staff are at it"),
    "confirm": LocalizedText(zh_cn="请核对并确认", en="Please check and confirm"),
    "agreed-time": LocalizedText(zh_cn="已预约，到时办理", en="Booked for the agreed time"),
    "next-cycle": LocalizedText(zh_cn="已确认，下一账期生效", en="Confirmed; begins with the next bill"),
}
_CANCELLED = LocalizedText(zh_cn="已撤销，未作任何变更", en="Cancelled; nothing was changed")
_ACCEPTED = LocalizedText(zh_cn="已受理，正送归属地办理", en="Accepted; on its way to your home region")
_PARTIES = {
    Party.PARTY_UNSPECIFIED: "nobody",
    Party.PARTY_CUSTOMER: "customer",
    Party.PARTY_ORIGIN_REGION: "origin region",
    Party.PARTY_HOME_STAFF: "home region's staff",
    Party.PARTY_HOME_REGION: "home region",
    Party.PARTY_FEDERATION: "federation",
}


def state(order: Order) -> str:
    """The TMF622 name of an order's state, for example `inProgress`."""
    return camel_case(OrderState.DESCRIPTOR, order.state)


def status(status: ProductStatus.ValueType) -> str:
    """The name of a line's status, for example `suspended`."""
    return ProductStatus.Name(status).removeprefix("PRODUCT_STATUS_").lower().replace("_", " ")


def amount(money: Money) -> str:
    """An amount, for example `12.50 CNY`."""
    return in_major_units(money.minor_units, money.currency)


def for_customer(order: Order) -> LocalizedText:
    """The short text that a customer reads about an order."""
    if order.HasField("error"):
        return order.error.message
    if order.state == OrderState.ORDER_STATE_COMPLETED:
        return _DONE[order.request.business]
    if order.state == OrderState.ORDER_STATE_CANCELLED:
        return _CANCELLED
    return _WAITS.get(order.awaiting.action, _ACCEPTED)


def turn(order: Order) -> str:
    """The next actor, and the action."""
    party = _PARTIES[order.awaiting.party]
    return f"{party}: {order.awaiting.action}" if order.awaiting.action else party


def time(timestamp: Timestamp) -> str:
    """A time in the regions' own zone, to the minute."""
    return f"{from_timestamp(timestamp).astimezone(ZONE):%Y-%m-%d %H:%M}"


def took(order: Order) -> str:
    """How long an order took from its intake here to its completion at home."""
    time = span(from_timestamp(order.create_time), from_timestamp(order.completion_time))
    return f"done in {order.home_region.capitalize()} {time} after it was taken in"


def span(start: datetime, end: datetime) -> str:
    """A length of time: `34 ms` or `2.3 s`."""
    seconds = (end - start).total_seconds()
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


@dataclass(frozen=True)
class Outcome:
    """The end of a call that should be refused: the short form, and the text for people."""

    seen: str
    told: LocalizedText


async def outcome(call: Awaitable[object]) -> Outcome:
    """Waits for a call that should be refused."""
    try:
        await call
    except Refused as refused:
        code = status_code(refused.reason).name
        return Outcome(f"{code} {reason_name(refused.reason)}", text(refused.reason, refused.parameters))
    except Unreachable as failure:
        return Outcome(f"not known: {failure}", LocalizedText())
    return Outcome("accepted", LocalizedText())
