"""A region of the simulation by itself, for the stories found by seeds."""

from dataclasses import dataclass
from typing import TypeVar

from gateway.api.federation.v1.configuration_pb2 import Configuration, NumberException
from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.federation.catalogue import Federation
from gateway.store.port import Operation
from region_node.business.orders.context import OrderContext
from region_node.node.context import RegionContext
from tests.simulation.batch import run_batch
from tests.simulation.disk import Disk
from tests.simulation.world import REGIONS, configuration

T = TypeVar("T")


@dataclass
class OneRegion:
    """Its database and what it knows, with a plan of numbers that can be changed."""

    disk: Disk
    orders: OrderContext
    revision: int = 0

    @property
    def context(self) -> RegionContext:
        """The region."""
        return self.orders.node

    def plan(self, number: str, region: str) -> None:
        """Has a number belong to a region."""
        changed = Configuration()
        changed.CopyFrom(configuration())
        changed.number_plan.exceptions.append(NumberException(number=number, region=region))
        self.revision += 1
        members = [Member(region=each, state=MemberState.MEMBER_STATE_JOINED) for each in REGIONS]
        self.context.border.current.update(Federation(self.revision, changed), members)

    def run(self, operation: Operation[T]) -> T:
        """The result of an operation. Raises its exceptions."""
        (outcome,) = run_batch(self.disk, [operation])
        if outcome.error is not None:
            raise outcome.error
        return outcome.result  # type: ignore[return-value]  # of this very operation
