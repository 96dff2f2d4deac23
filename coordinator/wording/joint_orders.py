"""Items of joint orders in words without personal data: why one does not go on, and which are in jeopardy."""

from collections.abc import Sequence

from coordinator.wording import answers
from gateway.api.region.v1.order_oversight_service_pb2 import JointItemSummary, JointOrderSummary
from gateway.wording.languages import translated
from gateway.wording.terms import region_name


def told_reason(item: JointItemSummary) -> str:
    """The reason of an item. The staff's own words may tell of the customer: they stay in the regions of the order."""
    problem = translated("`region-node joint show` in a region of the order has the words")
    known = {"problem": problem, "problem_en": problem, "problem_zh_cn": problem}
    return answers.told_reason(item.reason, region=region_name(item.region), **known)


def in_jeopardy(order: JointOrderSummary) -> Sequence[JointItemSummary]:
    """The items of which a limit is near or has passed."""
    return [each for each in order.items if each.HasField("alert_time")]
