"""The input of the checks: every row of every database, everything on the wire, and people's responses."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from gateway.api.federation.v1.configuration_pb2 import Step
from gateway.api.region.v1.fault_pb2 import Fault
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind
from tests import at_rest
from tests.simulation.history import History
from tests.simulation.joint_orders import JointErrand
from tests.simulation.network_plans import NetworkErrands
from tests.simulation.plans import Errand
from tests.simulation.provider import Provider
from tests.simulation.region import Region
from tests.simulation.registry import SimulatedRegistry
from tests.simulation.relocating import Relocation

_IDS = frozenset({"account", "account_id", "customer_id", "product_id", "subject"})  # columns with ids of customers


@dataclass(frozen=True)
class StoredOrder:
    """An order as one region has it."""

    region: str
    order: Order

    @property
    def is_home(self) -> bool:
        """Whether that region owns it."""
        return self.order.home_region == self.region and self.order.version > 0

    @property
    def is_fulfilled(self) -> bool:
        """Whether its effect has happened, whether or not it was accepted yet."""
        return Step.STEP_FULFIL in self.order.steps[: self.order.steps_done]

    @property
    def is_handling(self) -> bool:
        """Whether that region took it in."""
        return self.order.origin_region == self.region


@dataclass(frozen=True)
class Evidence:
    """Everything that a run left behind."""

    history: History
    regions: Sequence[Region]
    receipts: Mapping[str, set[bytes]]
    errands: Sequence[Errand]
    moved: frozenset[str]
    """The numbers that have moved at all."""
    moved_back: frozenset[str]
    """The numbers that came back to a region which had them before."""
    provider: Provider
    network: NetworkErrands
    joint: Sequence[JointErrand]
    relocations: Sequence[Relocation]
    registry: SimulatedRegistry
    now: datetime
    """The true time at the end."""
    joined_late: str
    """The region that joined while others were at work already; empty where none did."""

    def rows(self, sql: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The rows of a query in all databases, each with its region; customers who moved have the ids of the start."""
        for region in self.regions:
            cursor = region.ports.disk.connection.cursor()
            cursor.row_factory = sqlite3.Row
            for row in cursor.execute(sql):
                shown = {name: self.known(row[name]) if name in _IDS else row[name] for name in row.keys()}
                yield region.name, shown

    def known(self, of: str) -> str:
        """The id at the start of a customer, line or account, which has others at its later homes."""
        return self.aliases.get(of, of)

    @cached_property
    def aliases(self) -> Mapping[str, str]:
        """The ids at the start, by those of later homes."""
        return {later: first for each in self.relocations for later, first in each.aliases.items()}

    @cached_property
    def sent(self) -> Sequence[tuple[str, at_rest.Kept]]:
        """The sent envelopes of each region."""
        return [(each.name, row) for each in self.regions for row in each.ports.disk.read(at_rest.sent)]

    @cached_property
    def received(self) -> Sequence[tuple[str, at_rest.Kept]]:
        """The executed envelopes of each region."""
        return [(each.name, row) for each in self.regions for row in each.ports.disk.read(at_rest.received)]

    @cached_property
    def orders(self) -> Sequence[StoredOrder]:
        """All orders of all regions."""
        return [
            StoredOrder(region.name, order)
            for region in self.regions
            for order in region.ports.disk.read(at_rest.orders)
        ]

    @cached_property
    def handled(self) -> Mapping[str, Order]:
        """The orders as the regions have them that took them in, by id."""
        return {each.order.id: each.order for each in self.orders if each.is_handling}

    @cached_property
    def owned(self) -> Mapping[str, Sequence[StoredOrder]]:
        """The orders as their home regions have them, by id."""
        found: dict[str, list[StoredOrder]] = {}
        for each in self.orders:
            if each.is_home:
                found.setdefault(each.order.id, []).append(each)
        return found

    @cached_property
    def faults(self) -> Mapping[str, dict[str, Fault]]:
        """The faults as each region has them, by id and region."""
        found: dict[str, dict[str, Fault]] = {}
        for region in self.regions:
            for fault in region.ports.disk.read(at_rest.faults):
                found.setdefault(fault.id, {})[region.name] = fault
        return found

    @cached_property
    def errand_of(self) -> Mapping[str, Errand]:
        """People's errands, by order id."""
        return {errand.order_id: errand for errand in self.errands}

    @cached_property
    def reasons(self) -> Mapping[tuple[str, str, str], int]:
        """Why each request was refused in the end, 0 where it was not, by region, caller and id."""
        rows = self.rows("SELECT caller, request_id, reason FROM requests")
        return {(region, row["caller"], row["request_id"]): row["reason"] for region, row in rows}

    @cached_property
    def traces(self) -> Mapping[str, str]:
        """The trace of each fault, of each issue about a fault, and of each joint order, by id."""
        faults = {each.fault_id: each.trace for each in self.network.faults if each.fault_id}
        issues = [issue for region in self.regions for issue in region.ports.disk.read(at_rest.issues)]
        linked = {each.id: faults[link.id] for each in issues for link in each.request.links if link.id in faults}
        return faults | linked | {each.order_id: each.trace for each in self.joint if each.order_id}

    def resolves(self, number: str) -> bool:
        """Whether every region knows the home of a number by now."""
        plans = [region.knowledge.federation.number_plan for region in self.regions if region.knowledge is not None]
        return all(plan.home_of(number) is not None for plan in plans)

    def kind_of(self, content: bytes) -> EnvelopeKind.ValueType:
        """The kind of a stored envelope."""
        return EnvelopeContent.FromString(content).kind

    def broken(self, guarantee: str, about: str, text: str) -> None:
        """A guarantee does not hold."""
        self.history.broken(guarantee, about, text)
