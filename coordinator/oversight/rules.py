"""An order in the reports of several regions. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, TypeVar

from gateway.api.region.v1.bulletin_oversight_service_pb2 import BulletinHeader
from gateway.api.region.v1.customer_move_oversight_service_pb2 import CustomerMoveHeader
from gateway.api.region.v1.issue_oversight_service_pb2 import IssueHeader
from gateway.api.region.v1.order_oversight_service_pb2 import JointOrderSummary, OrderSummary
from gateway.api.region.v1.resource_oversight_service_pb2 import ResourceStatus
from gateway.errors import invalid

_ORDER = re.compile(r"([^/]+)/(?:(?:(?:staff|node)/)?[^/]+/[^/]+|J\d+-\d+)")


class Versioned(Protocol):
    """A record with a version that the owning region gives."""

    @property
    def version(self) -> int:
        """The higher, the later."""
        ...


Item = TypeVar("Item", bound=Versioned)


def origin_region(order_id: str) -> str:
    """The region in `<origin region>/<operator>/<request id>`, or in the id of a joint order.

    The operator is an operator system, `staff/<name>`, or `node/complaints` of the money for a complaint.
    Raises Refused with REQUEST_INVALID.
    """
    found = _ORDER.fullmatch(order_id)
    if found is None:
        raise invalid("order_id", "not region/operator/request-id", "须为：地区/业务系统/请求编号")
    return found[1]


def best_told(
    reports: Mapping[str, Iterable[Item]], name: Callable[[Item], str], owner: Callable[[Item], str]
) -> dict[str, tuple[bool, Item]]:
    """Returns each item of all reports once, by name, and whether its owner reported it. `reports` are by region.

    The owner's word counts; where it said nothing, the highest version does.
    """
    best: dict[str, tuple[bool, Item]] = {}
    for region, items in reports.items():
        for each in items:
            is_owner, known = owner(each) == region, best.get(key := name(each))
            if known is None or (is_owner, each.version) > (known[0], known[1].version):
                best[key] = is_owner, each
    return best


def merged(reports: Mapping[str, Iterable[OrderSummary]]) -> list[OrderSummary]:
    """Returns each order of all reports once, in the version of its home region where that reported it."""
    best = best_told(reports, lambda each: each.id, lambda each: each.home_region)
    return [order for _, order in best.values()]


def merged_joint_orders(reports: Mapping[str, Iterable[JointOrderSummary]]) -> list[JointOrderSummary]:
    """Returns each joint order of all reports once, in the version of its leading region where that reported it.

    The id names the leading region, whatever a report says.
    """
    best = best_told(reports, lambda each: each.id, lambda each: each.id.partition("/")[0])
    return [order for _, order in best.values()]


def merged_issues(reports: Mapping[str, Iterable[IssueHeader]]) -> list[IssueHeader]:
    """Returns each issue of all reports once, in the version of its owner region where that reported it.

    A silence that any region reports is one: the owner itself knows of none.
    """
    best = best_told(reports, lambda each: each.id, lambda each: each.owner_region)
    silent: dict[str, int] = {}
    for each in (each for issues in reports.values() for each in issues):
        silent[each.id] = max(each.silent_limits, silent.get(each.id, 0))
    found = []
    for name, (_, issue) in best.items():
        told = IssueHeader()
        told.CopyFrom(issue)
        told.silent_limits = silent[name]
        found.append(told)
    return found


def merged_moves(reports: Mapping[str, Iterable[CustomerMoveHeader]]) -> list[CustomerMoveHeader]:
    """Returns each move of all reports once, as its old home has it where that reported it."""
    found: dict[str, CustomerMoveHeader] = {}
    for region, moves in reports.items():
        for each in moves:
            if each.from_region == region or each.id not in found:
                found[each.id] = each
    return list(found.values())


def merged_bulletins(reports: Mapping[str, Iterable[BulletinHeader]]) -> list[BulletinHeader]:
    """Returns the bulletins of all reports: each region reports its own."""
    return [each for bulletins in reports.values() for each in bulletins]


def resource_key(shared: ResourceStatus) -> str:
    """The place of a shared resource among those of all regions."""
    if shared.HasField("expert"):
        return f"1 {shared.expert.region} {shared.expert.staff_id}"
    if shared.HasField("spare"):
        return f"2 {shared.spare.region} {shared.spare.part_number} {shared.spare.site}"
    return f"3 {shared.resource.region} {shared.resource.id}"


def merged_resources(reports: Mapping[str, Iterable[ResourceStatus]]) -> list[ResourceStatus]:
    """Returns what each region shares by its own word: never what it says of another region."""
    return [each for region, told in reports.items() for each in told if _owner(each) == region]


def _owner(shared: ResourceStatus) -> str:
    return shared.expert.region or shared.spare.region or shared.resource.region
