"""The ports of a region's operations, besides the transaction and the command."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.order_pb2 import Order
from gateway.errors import Refused, lasting
from gateway.federation.catalogue import Federation
from gateway.relay.border import Border
from gateway.store.port import Transaction
from region_node.node.day_work import DayWork
from region_node.node.erased_keys import ErasedKeys, ErasedKeysInMemory
from region_node.node.open_work import OpenWork
from region_node.node.operator_scopes import OperatorScopes
from region_node.node.unknown_numbers import UnknownNumbers


class OrdersUnderWay(Protocol):
    """Finds orders for which another region may see something of a customer."""

    def __call__(self, tx: Transaction, region: str, number: str) -> Sequence[Order]:
        """The orders of a region about a number, E.164, that are under way at this home region, the newest first."""
        ...


def no_orders(tx: Transaction, region: str, number: str) -> Sequence[Order]:
    """No order gives another region a reason."""
    return ()


@dataclass(frozen=True)
class RegionContext:
    """A region: its border, and its ports by name."""

    border: Border
    orders_under_way: OrdersUnderWay = no_orders
    erased_keys: ErasedKeys = field(default_factory=ErasedKeysInMemory)
    """The store of the destroyed keys' ids, apart from the database."""
    sinks: Mapping[str, int] = field(default_factory=dict)
    """The names of the sinks for escalation recipients, each with the lowest complaint level that it receives."""

    provisioned: frozenset[str] = frozenset()
    """The codes of the businesses that the region's own system carries out."""

    scopes: OperatorScopes = field(default_factory=OperatorScopes)
    """What each operator system of the region may do."""

    unknown_numbers: UnknownNumbers = field(default_factory=UnknownNumbers)
    """The parties that have named unknown numbers in this hour."""

    open_work: OpenWork = field(default_factory=OpenWork)
    """The open work of each operator system of the region."""

    day_work: DayWork = field(default_factory=DayWork)
    """What each operator system of the region has done in a day."""

    def again(self) -> "RegionContext":
        """The ports of a command that is done again after a loss: unknown numbers named since do not count."""
        return replace(self, unknown_numbers=UnknownNumbers())

    @cached_property
    def region(self) -> str:
        """The region's id."""
        return self.border.region

    @property
    def federation(self) -> Federation:
        """The configuration in force. Raises Refused with CONFIGURATION_MISSING before the first."""
        return self.border.current.federation

    def figure(self, policy: str, other: str) -> int | None:
        """The figure of a policy between another region and this one; None for a federation without the policy."""
        try:
            return self.federation.figure(policy, (other, self.region))
        except Refused as refused:
            lasting(refused)
            return None

    def takes_part(self, region: str) -> bool:
        """Whether a region is a member that has joined and is not suspended, as this region knows it."""
        state = self.border.current.state().member_state(region)
        return state not in (MemberState.MEMBER_STATE_ABSENT, MemberState.MEMBER_STATE_SUSPENDED)

    @property
    def currency(self) -> str:
        """The currency of this region's accounts."""
        return self.federation.region(self.region).currency

    @property
    def time_zone(self) -> str:
        """The time zone of this region's billing and working days."""
        return self.federation.region(self.region).time_zone
