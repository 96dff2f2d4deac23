"""The resources with listeners, each by the changes that its RPCs show to an operator system."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.message import Message

from gateway.api.federation.v1.federation_pb2 import Feature
from gateway.api.region.v1.listener_service_pb2 import EventKind, ListenerResource
from gateway.errors import invalid
from gateway.security.identity import Identity
from gateway.store.port import Transaction
from region_node.business.billing.bill_events import BILL_FEED
from region_node.business.catalogue.offerings import OFFERING_FEED
from region_node.business.orders import handling as orders
from region_node.business.orders.feed import ORDER_FEED
from region_node.care.complaints import handling as complaints
from region_node.care.complaints.feed import COMPLAINT_FEED
from region_node.customers.feed import CUSTOMER_FEED
from region_node.network.faults import handling as faults
from region_node.network.faults.feed import FAULT_FEED
from region_node.network.measurements.alarm_feed import ALARM_FEED
from region_node.records.watches import Change, Feed

M = TypeVar("M", bound=Message)
_Kinds = Collection[EventKind.ValueType]
_CREATED, _CHANGED = EventKind.EVENT_KIND_CREATE, EventKind.EVENT_KIND_ATTRIBUTE_VALUE_CHANGE
_DELETED = EventKind.EVENT_KIND_DELETE
_OF_A_RECORD: _Kinds = (_CREATED, EventKind.EVENT_KIND_STATE_CHANGE, _CHANGED)


@dataclass(frozen=True)
class Resource:
    """The changes of one resource."""

    name: str
    """As TM Forum writes it, for example `productOrder`."""
    services: Sequence[str]
    """The services of the RPCs that show it and its id, for scopes."""
    last: Callable[[Transaction], int]
    """The number of the last change."""
    after: Callable[[Transaction, int, Identity], Sequence[Change[Message]]]
    """The changes after a number, in order. They have no state where a reader sees none."""
    kinds: _Kinds
    """The kinds of its events."""
    noted_by: Feature.ValueType = Feature.FEATURE_UNSPECIFIED
    """The feature of processes that note its changes; unset where each version does."""


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


def _everybody(_: Message, __: Identity) -> bool:
    return True


def _resource(
    name: str,
    services: Sequence[str],
    feed: Feed[M],
    is_visible: Callable[[M, Identity], bool] = _everybody,
    kinds: _Kinds = _OF_A_RECORD,
    noted_by: Feature.ValueType = Feature.FEATURE_UNSPECIFIED,
) -> Resource:
    def after(tx: Transaction, sequence: int, reader: Identity) -> Sequence[Change[Message]]:
        def seen(now: M | None) -> M | None:
            return now if now is not None and is_visible(now, reader) else None

        found = feed.after(tx, sequence, "")
        return [Change(each.sequence, each.name, seen(each.now), each.kinds, each.time) for each in found]

    return Resource(name, services, feed.last, after, kinds, noted_by)


def _listened(name: str, services: Sequence[str], feed: Feed[M], kinds: _Kinds) -> Resource:
    """A resource whose changes are noted for listeners alone."""
    return _resource(name, services, feed, kinds=kinds, noted_by=Feature.FEATURE_LISTENED_CHANGES)


_ORDER = _resource("productOrder", ("OrderService",), ORDER_FEED, orders.is_visible)
_TICKET = _resource("troubleTicket", ("ComplaintService",), COMPLAINT_FEED, complaints.is_visible)
_CUSTOMER = _listened("customer", ("CustomerService",), CUSTOMER_FEED, (*_OF_A_RECORD, _DELETED))
RESOURCES: Mapping[ListenerResource.ValueType, Resource] = {
    ListenerResource.LISTENER_RESOURCE_PRODUCT_ORDER: _ORDER,
    ListenerResource.LISTENER_RESOURCE_PRODUCT_ORDER_V5: _ORDER,
    ListenerResource.LISTENER_RESOURCE_TROUBLE_TICKET: _TICKET,
    ListenerResource.LISTENER_RESOURCE_TROUBLE_TICKET_V5: _TICKET,
    ListenerResource.LISTENER_RESOURCE_ALARM: _resource("alarm", ("AlarmService",), ALARM_FEED),
    ListenerResource.LISTENER_RESOURCE_SERVICE_PROBLEM: _resource(
        "serviceProblem", ("FaultService",), FAULT_FEED, faults.is_visible
    ),
    ListenerResource.LISTENER_RESOURCE_CUSTOMER: _CUSTOMER,
    ListenerResource.LISTENER_RESOURCE_CUSTOMER_V5: _CUSTOMER,
    ListenerResource.LISTENER_RESOURCE_PRODUCT_OFFERING: _listened(
        "productOffering", ("CatalogueService",), OFFERING_FEED, (_CREATED, _CHANGED, _DELETED)
    ),
    ListenerResource.LISTENER_RESOURCE_CUSTOMER_BILL: _listened(
        "customerBill", ("BillingService", "CustomerService"), BILL_FEED, (_CREATED,)
    ),
}
