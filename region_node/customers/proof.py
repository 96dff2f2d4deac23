"""The customer's own proof of what another region attests by papers alone, at the home region.

Papers that a region has seen prove nothing to another one. By a policy of the matter it goes on at once with a code to
the line or to another contact, with the service password, or with the word of staff of the home region. A customer
without a telephone is not locked out: the time runs out.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.configuration_pb2 import ProofWay
from gateway.api.types.v1.types_pb2 import Document, LocalizedText
from gateway.errors import invalid
from gateway.federation.policies import COOLING_OFF
from gateway.store.port import Transaction
from gateway.values.lists import either
from region_node.customers.notices.rows import Notice, tell
from region_node.customers.notified_lines import notified_lines
from region_node.customers.rows import Line
from region_node.customers.verification.rules import CHECKED_AT_HOME, proves, way_not_taken
from region_node.node.context import RegionContext

ORDER_NOTICE = "order-verify"
"""The kind of the notices about an order."""
_MOST_PROOFS = 2  # a code and a password
_LARGEST_PROOF = 256  # bytes, far more than one has
_TO_THE_MINUTE = timedelta(seconds=59)  # the minute that is told is never earlier than the end


Told: TypeAlias = Callable[[LocalizedText, str], LocalizedText]
"""The text for a customer, by the name of the attesting region and the end of the wait."""


@dataclass(frozen=True)
class Asked:
    """A matter that another region attests of a line, and the text for the customer."""

    matter: str
    """The order, item or grant: the notices are named after it."""
    origin: str
    """The region that attests it."""
    kind: str
    """The kind of the notices."""
    text: Told = field(repr=False)


def must_ask(
    context: RegionContext, origin: str, documents: Sequence[Document], ways: Collection[ProofWay.ValueType]
) -> bool:
    """Whether a region's word on a customer of this one needs one of the ways of proof; `documents` are verified."""
    return origin != context.region and not proves(documents, ways)


def require_word_of_staff(context: RegionContext, policies: Iterable[str]) -> None:
    """Raises Refused with PROOF_WAY_NOT_TAKEN where staff of this region may not speak for a customer in a matter."""
    ways = context.federation.proof_ways(policies)
    if ProofWay.PROOF_WAY_HOME_STAFF not in ways:
        raise way_not_taken(["HOME_STAFF"], ways)


def require_proofs(documents: Sequence[Document]) -> None:
    """Raises Refused with REQUEST_INVALID unless there are one or two documents that only a home region can attest."""
    is_good = all(each.code in CHECKED_AT_HOME and each.ByteSize() <= _LARGEST_PROOF for each in documents)
    if not 1 <= len(documents) <= _MOST_PROOFS or not is_good:
        known = either(sorted(CHECKED_AT_HOME))
        told = f"one or two documents of Verify, each {known.en}"
        raise invalid("documents", told, f"须为Verify给出的一至两份材料，可用值为{known.zh_cn}")


def wait_until(context: RegionContext, origin: str, now: datetime, policy: str = COOLING_OFF) -> datetime:
    """When the wait for an objection ends. Raises Refused with CONFIGURATION_INVALID without that policy."""
    return now + timedelta(hours=context.federation.figure(policy, (origin, context.region)))


def ask_customer(
    tx: Transaction, context: RegionContext, line: Line, asked: Asked, due: datetime, now: datetime
) -> None:
    """Notifies the customer of what waits until `due`, and of what to do about it."""
    minute = due.astimezone(ZoneInfo(context.time_zone)) + _TO_THE_MINUTE
    text = asked.text(context.federation.region(asked.origin).name, minute.strftime("%Y-%m-%d %H:%M"))
    for notice in notices(tx, line, asked, text):
        tell(tx, notice, now)


def notices(tx: Transaction, line: Line, asked: Asked, text: LocalizedText) -> Iterator[Notice]:
    """A notice to the line, and to some more lines of the customer: the telephone of the line may be stolen."""
    for each in notified_lines(tx, line):
        other = "" if each is line else f"@{each.product_id}"
        yield Notice(f"{asked.matter}#verify{other}", asked.kind, each.number, text)


def order_text(business: LocalizedText) -> Told:
    """The text about an order of a business, by its display name."""
    return lambda region, time: LocalizedText(
        zh_cn=f"{region.zh_cn}受理了您名下号码的业务：{business.zh_cn}，{time}起办理。"
        "本人办理的，可凭短信验证码立即办理；非本人操作的，请立即联系归属地客服撤销。",
        en=f"{region.en} took in an order for a number of yours: {business.en}. It is carried out from {time} on."
        " A code sent by SMS has it done at once. If this was not you, call your home region at once.",
    )
