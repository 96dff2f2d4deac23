"""The metrics of the regions as a coordinator knows them."""

from opentelemetry.metrics import Meter

from coordinator.membership.members import CurrentMembers
from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.process.metrics import observe
from gateway.time.clock import Clock, dated
from gateway.values.names import snake_case


def observe_members(meter: Meter, members: CurrentMembers, clock: Clock) -> None:
    """Gauges 1 for the present state of each region, and the seconds since its last heartbeat."""
    observe(
        meter,
        "crossregion.region.state",
        "{region}",
        lambda: [(1, {"region": region, "state": _name(each.state)}) for region, each in members.all().items()],
    )
    observe(
        meter,
        "crossregion.region.heartbeat.age",
        "s",
        lambda: [
            ((clock.now() - dated(each.heartbeat_time)).total_seconds(), {"region": region})
            for region, each in members.all().items()
            if each.HasField("heartbeat_time")
        ],
    )


def _name(state: MemberState.ValueType) -> str:
    return snake_case(MemberState.DESCRIPTOR, state)
