"""The metrics of the door of a server."""

from collections.abc import Iterator

from opentelemetry.metrics import Meter

from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import reason_name
from gateway.process.metrics import observe, observe_total
from gateway.rpc.interceptor import BorderInterceptor


def observe_door(meter: Meter, border: BorderInterceptor) -> None:
    """Gauges the calls that wait, those that are served and how many may be; counts those without room.

    A caller is counted by its role alone: its name may be that of a person.
    """

    def refused() -> Iterator[tuple[float, dict[str, str]]]:
        for (reason, role), count in border.refused.items():
            yield count, {"error.type": reason_name(reason), "role": Role.Name(role).removeprefix("ROLE_").lower()}

    observe(meter, "crossregion.door.waiting", "{call}", lambda: [(border.admission.waiting, {})])
    observe(meter, "crossregion.door.served", "{call}", lambda: [(border.admission.served, {})])
    observe(meter, "crossregion.door.places", "{call}", lambda: [(border.admission.places, {})])
    observe_total(meter, "crossregion.door.refused", "{call}", refused)
