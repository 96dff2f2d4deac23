"""The example as a server: mTLS, for the node of its region alone."""

import contextlib
import logging
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509

from deploy.provider.notification import NotificationService, Phones
from deploy.provider.service import Behaviour, FulfilmentService
from deploy.provider.works import Works
from gateway.api.provider.v1 import fulfilment_service_pb2, notification_service_pb2
from gateway.api.provider.v1.fulfilment_service_pb2_grpc import add_FulfilmentServiceServicer_to_server
from gateway.api.provider.v1.notification_service_pb2_grpc import add_NotificationServiceServicer_to_server
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process.running import show_port, wait_for_stop
from gateway.process.telemetry import Telemetry
from gateway.rpc.access import AccessRules
from gateway.rpc.interceptor import BorderInterceptor, BorderPorts
from gateway.rpc.server import Server, Service
from gateway.security.authority import AUTHORITY_CERTIFICATE, TLS_CERTIFICATE, TLS_KEY
from gateway.security.identity import Identity, parse
from gateway.security.tls import Credentials, CredentialsUnusable, server_credentials
from gateway.time.clock import Clock, SystemClock

WORKS = "works.sqlite"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProviderOptions:
    """The options of an example. `listen`: `host:port`; port 0 takes any free one."""

    directory: Path
    listen: str
    port_file: Path | None = None
    behaviour: Behaviour = field(default_factory=Behaviour)

    @property
    def credentials(self) -> Credentials:
        """The files of its certificate."""
        directory = self.directory
        return Credentials(directory / AUTHORITY_CERTIFICATE, directory / TLS_CERTIFICATE, directory / TLS_KEY)


class _OwnNode(AccessRules):
    """Every region of the federation has a certificate of the role; only the node of this one may call."""

    def __init__(self, services: list[Service], region: str) -> None:
        super().__init__((service.descriptor for service in services), own_region=region)
        self._region = region

    def require_allowed(self, identity: Identity, method: str) -> None:
        """Raises Refused with PERMISSION_DENIED unless the caller is the region's node."""
        super().require_allowed(identity, method)
        if identity.region != self._region:
            raise Refused(Reason.REASON_PERMISSION_DENIED, identity=identity.path, method=method)


class Provider:
    """A running example. Made by `start`."""

    def __init__(self, port: int, works: Works, rest: contextlib.AsyncExitStack) -> None:
        self.port = port
        self.works = works
        self._rest = rest

    @classmethod
    async def start(cls, options: ProviderOptions, clock: Clock | None = None) -> "Provider":
        """Opens its file and serves. Raises CredentialsUnusable, PortInUse or OSError."""
        async with contextlib.AsyncExitStack() as stack:
            credentials = server_credentials(options.credentials, clock or SystemClock())
            identity = provider_identity(options.credentials.certificate)
            works = Works(options.directory / WORKS)
            stack.callback(works.close)
            telemetry = Telemetry.of("provider", identity.name)
            stack.callback(telemetry.shutdown)
            services = _services(works, options)
            access = _OwnNode(services, identity.region)
            border = BorderPorts(identity.federation, access, telemetry.tracing, telemetry.calls, _denied)
            server = Server(services, BorderInterceptor(border), reflects=False)
            port = await server.start(options.listen, credentials)
            stack.push_async_callback(server.drain)
            show_port(options.port_file, port, stack)
            _log.info("%s serves on port %d", identity.path, port)
            return cls(port, works, stack.pop_all())
        raise AssertionError("the block above returns or raises")

    async def stop(self) -> None:
        """Refuses new calls, finishes those being served, and closes its file."""
        await self._rest.aclose()


async def serve(options: ProviderOptions) -> None:
    """Serves until a stop signal. Raises as `Provider.start`."""
    provider = await Provider.start(options)
    try:
        await wait_for_stop()
    finally:
        await provider.stop()


def provider_identity(certificate: Path) -> Identity:
    """The identity of the system by its certificate. Raises CredentialsUnusable where it names no provider."""
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    for uri in names.get_values_for_type(x509.UniformResourceIdentifier):
        federation = uri.removeprefix("spiffe://").partition("/")[0]
        with contextlib.suppress(ValueError):
            if (identity := parse(uri, federation)).role == Role.ROLE_PROVIDER:
                return identity
    raise CredentialsUnusable(f"{certificate}: names no system of a region")


def _services(works: Works, options: ProviderOptions) -> list[Service]:
    return [
        Service.of(
            fulfilment_service_pb2.DESCRIPTOR.services_by_name["FulfilmentService"],
            add_FulfilmentServiceServicer_to_server,
            FulfilmentService(works, options.behaviour),
        ),
        Service.of(
            notification_service_pb2.DESCRIPTOR.services_by_name["NotificationService"],
            add_NotificationServiceServicer_to_server,
            NotificationService(Phones(options.directory)),
        ),
    ]


async def _denied(identity: Identity, method: str, refused: Refused) -> None:
    _log.warning("%s may not call %s: %s", identity.path, method, refused)
