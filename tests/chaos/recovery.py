"""The recovery from a fault: until the first operation that is acknowledged through the member after it."""

from collections.abc import Callable
from itertools import takewhile

from deploy.local.federation import COORDINATOR
from deploy.local.process import wait_until
from gateway.api.coordinator.v1.administration_pb2 import ListRegionsRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub
from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.errors import Refused, Unreachable
from gateway.rpc.channels import invoke
from tests.chaos.drawing import FaultKind, Planned
from tests.chaos.load import REGIONS, MixedLoad
from tests.chaos.members import Shape
from tests.faults.background import Background
from tests.rolling.callers import Call

_PATIENCE = 180.0  # seconds, with the starts of other processes on a busy machine
_SECONDS = 5.0  # for a call


class Recovery:
    """Looks for operations through a member: calls of the load, or of this object where no caller knows the member.

    An operation goes through a process of a region that answers it; through a coordinator that lists all regions as
    joined; through a member of etcd that reads with its majority; through PostgreSQL where a region on it answers;
    over a link, or by a region's clock, where an order is completed that the region took in or owns.
    """

    def __init__(self, shape: Shape, load: MixedLoad, background: Background) -> None:
        self._shape = shape
        self._load = load
        self._background = background

    def wait(self, planned: Planned, ended: float) -> None:
        """Returns when the member has recovered. Raises ProcessFailed where it does not."""
        name = planned.target.name
        wait_until(self._condition(planned, ended), _PATIENCE, f"an operation goes through {name} again")

    def _condition(self, planned: Planned, ended: float) -> Callable[[], bool]:
        name, shape = planned.target.name, self._shape
        if planned.kind is FaultKind.CLOCK:
            return lambda: self._any(ended, lambda call: call.completed and name in call.way)
        if name in shape.links:
            region = next(each for each in REGIONS if each in name)
            return lambda: self._any(ended, lambda call: _crosses(call) and region in call.way)
        if (index := shape.registry_member(name)) is not None:
            return lambda: shape.etcd.is_healthy(index)
        if name.startswith(COORDINATOR):
            number = next(each.number for each in shape.federation.coordinators if each.name == name)
            return lambda: self._background.run(self._lists(number))
        member = planned.target.groups[0]
        through = {replica.endpoint for each, (_, replica) in shape.nodes.items() if self._is_behind(member, each)}
        if not through:  # a server that coordinators alone use
            return lambda: self._background.run(self._lists(0))
        return lambda: self._any(ended, lambda call: call.through in through)

    def _is_behind(self, member: str, node: str) -> bool:
        """Whether a node is the member, or keeps its database there."""
        region, _ = self._shape.nodes[node]
        return member in (node, self._shape.store_of(region))

    def _any(self, since: float, wanted: Callable[[Call], bool]) -> bool:
        recent = takewhile(lambda call: call.ended >= since, reversed(self._load.journal.calls))
        return any(not call.failure and wanted(call) for call in recent)

    async def _lists(self, number: int) -> bool:
        async with self._shape.federation.dial_coordinator(number=number) as channel:
            try:
                found = await invoke(MembershipServiceStub(channel).ListRegions, ListRegionsRequest(), _SECONDS)
            except (Refused, Unreachable):
                return False
        joined = {each.region for each in found.members if each.state == MemberState.MEMBER_STATE_JOINED}
        return joined >= set(REGIONS)


def _crosses(call: Call) -> bool:
    """Whether it was an order of another region's customer that was completed."""
    handling, _, home = call.way.partition(" for ")
    return call.completed and handling != home
