"""The resources with listeners, each by the changes that its watch RPC shows to an operator system."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.message import Message

from gateway.api.region.v1.listener_service_pb2 import ListenerResource
from gateway.errors import invalid
from gateway.security.identity import Identity
from gateway.store.port import Transaction
from region_node.business.orders import handling as orders
from region_node.business.orders.feed import ORDER_FEED
from region_node.care.complaints import handling as complaints
from region_node.care.complaints.feed import COMPLAINT_FEED
from region_node.network.faults import handling as faults
from region_node.network.faults.feed import FAULT_FEED
from region_node.network.measurements.alarm_feed import ALARM_FEED
from region_node.records.watches import Change, Feed

M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Resource:
    """The changes of one resource."""

    name: str
    """As TM Forum writes it, for example `productOrder`."""
    service: str
    """The service of its watch RPC, for scopes."""
    last: Callable[[Transaction], int]
    """The number of the last change."""
    after: Callable[[Transaction, int, Identity], Sequence[Change[Message]]]
    """The changes after a number, in order. They have no state where a reader sees none."""


def resource_of(number: ListenerResource.ValueType) -> Resource:
    """The resource of a request. Raises Refused for one without listeners."""
    found = RESOURCES.get(number)
    if found is None:
        raise invalid("resource", "names no resource whose changes are told", "不是可推送变更的资源")
    return found


def last_change(tx: Transaction, number: ListenerResource.ValueType) -> int:
    """The number of the last change of a resource; 0 for one of a later version."""
    found = RESOURCES.get(number)
    return 0 if found is None else found.last(tx)


def _resource(name: str, service: str, feed: Feed[M], is_visible: Callable[[M, Identity], bool]) -> Resource:
    def after(tx: Transaction, sequence: int, reader: Identity) -> Sequence[Change[Message]]:
        def seen(now: M | None) -> M | None:
            return now if now is not None and is_visible(now, reader) else None

        found = feed.after(tx, sequence, "")
        return [Change(each.sequence, each.name, seen(each.now), each.kinds, each.time) for each in found]

    return Resource(name, service, feed.last, after)


_ORDER = _resource("productOrder", "OrderService", ORDER_FEED, orders.is_visible)
_TICKET = _resource("troubleTicket", "ComplaintService", COMPLAINT_FEED, complaints.is_visible)
RESOURCES: Mapping[ListenerResource.ValueType, Resource] = {
    ListenerResource.LISTENER_RESOURCE_PRODUCT_ORDER: _ORDER,
    ListenerResource.LISTENER_RESOURCE_PRODUCT_ORDER_V5: _ORDER,
    ListenerResource.LISTENER_RESOURCE_TROUBLE_TICKET: _TICKET,
    ListenerResource.LISTENER_RESOURCE_TROUBLE_TICKET_V5: _TICKET,
    ListenerResource.LISTENER_RESOURCE_ALARM: _resource("alarm", "AlarmService", ALARM_FEED, lambda *_: True),
    ListenerResource.LISTENER_RESOURCE_SERVICE_PROBLEM: _resource(
        "serviceProblem", "FaultService", FAULT_FEED, faults.is_visible
    ),
}
