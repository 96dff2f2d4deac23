"""The server at the port for those who have no certificate yet."""

import logging
from collections.abc import Sequence

from coordinator.enrolments.service import EnrolmentPorts, JoiningService
from coordinator.settings import CoordinatorSettings
from gateway.api.coordinator.v1 import enrolment_service_pb2
from gateway.api.coordinator.v1.enrolment_service_pb2_grpc import add_JoiningServiceServicer_to_server
from gateway.errors import Refused
from gateway.process.telemetry import Telemetry
from gateway.rpc.access import AccessRules
from gateway.rpc.connections import MOST_OF_JOINER, ConnectionWatch
from gateway.rpc.interceptor import BorderInterceptor, BorderPorts
from gateway.rpc.server import Server, Service
from gateway.security.identity import Identity
from gateway.security.peers import joiner
from gateway.security.tls import joiner_options, server_credentials
from gateway.settings import host_of

_log = logging.getLogger(__name__)


async def serve_joiners(settings: CoordinatorSettings, ports: EnrolmentPorts, telemetry: Telemetry) -> Sequence[Server]:
    """Serves enrolment at its own port, where the settings name one, and returns the server there.

    Raises CredentialsUnusable or PortInUse.
    """
    if settings.enrolment is None:
        return ()
    server = joining_server(ports, telemetry)
    credentials = server_credentials(settings.own_credentials, ports.clock, requires_certificate=False)
    port = await server.start(settings.enrolment.listen, credentials)
    _log.info("%s serves enrolment on %s:%d", settings.name, host_of(settings.enrolment.listen), port)
    return (server,)


def joining_server(ports: EnrolmentPorts, telemetry: Telemetry) -> Server:
    """A server with the JoiningService alone, for callers without certificates."""
    service = Service.of(
        enrolment_service_pb2.DESCRIPTOR.services_by_name["JoiningService"],
        add_JoiningServiceServicer_to_server,
        JoiningService(ports),
    )
    border = BorderInterceptor(
        BorderPorts(
            federation=ports.federation,
            access=AccessRules([service.descriptor], own_region=""),
            tracing=telemetry.tracing,
            metrics=telemetry.calls,
            denied=_unnoted,
            peer=joiner,
            connections=ConnectionWatch(most=MOST_OF_JOINER),
        )
    )
    return Server([service], border, reflects=False, options=joiner_options())


async def _unnoted(identity: Identity, method: str, refused: Refused) -> None:
    """A stranger must not fill the audit chain."""
