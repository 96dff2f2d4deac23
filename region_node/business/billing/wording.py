"""Notices to customers about their bills. Pure; no notice holds more than amounts and dates."""

from gateway.api.types.v1.types_pb2 import LocalizedText
from region_node.customers.notices.rows import Notice


def bill_is_out(account: str, month: str, number: str, amount: str, due: str) -> Notice:
    """The notice of a month's bill by SMS (specification 4.3), due at the end of a day. Without `due`, it is paid."""
    text = (
        LocalizedText(
            zh_cn=f"您{month}的账单为{amount}，请于{due}前（含当日）交费。",
            en=f"Your bill of {month} is {amount}; please pay by the end of {due}.",
        )
        if due
        else LocalizedText(
            zh_cn=f"您{month}的账单为{amount}，已从余额中扣除，无需交费。",
            en=f"Your bill of {month} is {amount}; it was taken from your balance, nothing is to be paid.",
        )
    )
    return Notice(f"bill/{account}/{month}", "bill", number, text)


def bill_is_abnormal(account: str, month: str, number: str, amount: str, times: int) -> Notice:
    """The notice of a bill far above the usual (Telecommunications Regulations, art. 33)."""
    text = LocalizedText(
        zh_cn=f"您{month}的账单为{amount}，达到前三个月平均的{times}倍以上，请核对；如有疑问可申请账单更正。",
        en=f"Your bill of {month} is {amount}, {times} times the mean of the three months before or more."
        " Please check it; you can ask for a correction.",
    )
    return Notice(f"abnormal-bill/{account}/{month}", "abnormal-bill", number, text)


def suspension_ahead(account: str, since: str, number: str, amount: str, day: str) -> Notice:
    """The line will be suspended for arrears."""
    text = LocalizedText(
        zh_cn=f"您已欠费{amount}，如不交清将于{day}起停机；停机期间仍可拨打紧急电话。",
        en=f"You owe {amount}. Unless it is paid the line is suspended from {day}; emergency calls stay possible.",
    )
    return Notice(f"arrears/{account}/{since}#suspension-ahead", "suspension-ahead", number, text)


def suspended(account: str, since: str, number: str, amount: str) -> Notice:
    """The line is suspended for arrears."""
    text = LocalizedText(
        zh_cn=f"您的号码因欠费{amount}已停机，仍可拨打紧急电话；交清后自动复机。",
        en=f"The line is suspended because {amount} are owed; emergency calls stay possible."
        " It is resumed by itself once they are paid.",
    )
    return Notice(f"arrears/{account}/{since}#suspended", "suspended", number, text)


def termination_ahead(account: str, since: str, number: str, amount: str, day: str) -> Notice:
    """The line will be terminated for arrears."""
    text = LocalizedText(
        zh_cn=f"您已欠费{amount}，如不交清将于{day}起销户，销户后不可恢复。",
        en=f"You owe {amount}. Unless it is paid the line is closed for good from {day}.",
    )
    return Notice(f"arrears/{account}/{since}#termination-ahead", "termination-ahead", number, text)


def terminated(account: str, since: str, number: str, amount: str) -> Notice:
    """The line is terminated for arrears."""
    text = LocalizedText(
        zh_cn=f"您的号码因欠费{amount}逾期未交，已销户。",
        en=f"The line is closed for good because {amount} were not paid.",
    )
    return Notice(f"arrears/{account}/{since}#terminated", "terminated", number, text)


def resumed(cause: str, number: str) -> Notice:
    """The notice that the line works again after payment. `cause` is the id of the payment, or of the run."""
    text = LocalizedText(
        zh_cn="欠费已交清，您的号码已复机。", en="The arrears are paid and the line is in service again."
    )
    return Notice(f"{cause}#resumed", "resumed", number, text)


def account_corrected(posting_id: str, number: str, amount: str, *, is_credit: bool) -> Notice:
    """The notice of a correction of the customer's account after a comparison with another region."""
    text = (
        LocalizedText(
            zh_cn=f"经与其他地区对账，您的账户少记{amount}，现已补记。",
            en=f"A comparison with another region has shown that your account lacked {amount}; they are credited now.",
        )
        if is_credit
        else LocalizedText(
            zh_cn=f"经与其他地区对账，您的账户多记{amount}，现已扣回；如有疑问可以投诉。",
            en=f"A comparison with another region has shown that your account had {amount} too much;"
            " they are taken back. If you do not agree you can complain.",
        )
    )
    return Notice(posting_id, "account-corrected", number, text)
