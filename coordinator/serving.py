"""The server of a coordinator, with its border and its readiness."""

from collections.abc import Sequence

from coordinator.membership.admission import admission
from coordinator.parts import Parts
from gateway.process.telemetry import Telemetry
from gateway.rpc.access import AccessRules
from gateway.rpc.interceptor import BorderInterceptor, BorderPorts
from gateway.rpc.metrics import observe_door
from gateway.rpc.readiness import Readiness
from gateway.rpc.server import Server, Service


async def server_of(
    parts: Parts, services: Sequence[Service], telemetry: Telemetry
) -> tuple[Server, BorderPorts, Readiness]:
    """The server of a coordinator before its start. It reports whether envelopes are forwarded."""
    settings, fence = parts.settings, parts.fence
    border = BorderPorts(
        federation=settings.federation,
        access=AccessRules(
            (service.descriptor for service in services),
            own_region="",
            require_member=admission(parts.members, fence),
        ),
        tracing=telemetry.tracing,
        metrics=telemetry.calls,
        denied=parts.denial_log.denied,
        revocations=parts.keys.revocations,
    )
    interceptor = BorderInterceptor(border)
    observe_door(telemetry.meter, interceptor)
    server = Server(services, interceptor, reflects=settings.reflection)
    readiness = Readiness(parts.store, telemetry.meter, lambda: fence is None or fence.is_open)
    if fence is not None:
        fence.on_change(readiness.look)
    await readiness.show(server)
    return server, border, readiness
