"""PWD_RESET 密码重置: a forgotten service password is removed; the customer sets another one with a code."""

from gateway.api.types.v1.types_pb2 import LocalizedText
from region_node.business.orders.business import BusinessRule, Effects, Situation
from region_node.customers.notices.rows import Notice

_TOLD = LocalizedText(
    zh_cn="您的服务密码已重置，请凭短信验证码设置新密码。如非本人操作，请立即联系客服。",
    en="Your service password was reset; set another one with a code sent by SMS. If this was not you, call customer"
    " service at once.",
)


class Rule(BusinessRule):
    """A password is never disclosed: not to the clerk, and not in a text."""

    def fulfil(self, situation: Situation) -> Effects:
        """The line has no password until its customer sets one; the customer is notified."""
        notice = Notice(f"{situation.order.id}#password-reset", "password-reset", situation.line.number, _TOLD)
        return Effects(situation.line, notices=(notice,), forgets_password=True)
