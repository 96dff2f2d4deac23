"""The HTTPS listener of a process: mutual TLS 1.3, and the callers of each page.

It shows the certificate of the process and knows a caller by its own, like the gRPC border: the same identities, ends,
revocations, and audit rows of who was turned away. Settings may admit callers by tokens and sessions, too.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from google.protobuf.json_format import MessageToDict

from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, to_status
from gateway.rpc.incidents import incident
from gateway.rpc.interceptor import BorderPorts
from gateway.rpc.ports import PortInUse, host_and_port
from gateway.rpc.server import DRAIN_SECONDS
from gateway.security.alternative_names import uris_of
from gateway.security.peers import Caller, Peer
from gateway.security.tls import CONNECTION_AGE_MS, CONNECTION_GRACE_MS, HANDSHAKE_MS, Credentials, CredentialsUnusable
from gateway.time.looks import until_look
from gateway.web.connections import Connection, Handshake, Malformed, give_headers
from gateway.web.refusals import http_status, told_headers

LOOK_SECONDS = 1.0  # between two checks of the files of the certificate
MOST_PAGES = 64  # read at a time, by all callers; the border has places of its own for calls
MOST_CONNECTIONS = 1_024  # open at a time, of all callers; half of them of all without a certificate
MOST_OF_CALLER = MOST_CONNECTIONS // 4  # of one certificate
# Above the 60 s after which proxies end theirs: none sends a request to a connection that ends.
IDLE_SECONDS = 75.0  # in which the head of a request has to come, and a caller to take some of an answer
_BACKLOG = 128
_log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
READING = ("GET", "HEAD")
"""The methods of a page that is read: HEAD is answered as GET, without the body."""
Callers = Callable[[web.Request], Caller]
"""Finds the caller of a request. May raise Refused."""


@dataclass(frozen=True)
class Page:
    """A page of a process, read by GET."""

    path: str
    name: str
    """The name in the scopes of operator systems."""
    roles: frozenset[Role.ValueType]
    """The roles that may read it; of operator systems and staff, those of the region of the process."""
    show: Handler


class _SslObject(Protocol):
    """The part of the standard library's object that has the certificates of a peer."""

    def getpeercert(self, binary_form: bool) -> bytes | None:
        """See ssl."""
        ...


class _Sent(Protocol):
    def public_bytes(self) -> str:
        """The certificate, PEM."""
        ...


class _Chained(Protocol):
    def get_unverified_chain(self) -> Sequence[_Sent] | None:
        """The certificates that the peer has sent."""
        ...


class _WithoutContent(logging.LoggerAdapter[logging.Logger]):
    """A log of who failed and how. An exception of a parser has a whole line of a request in its text."""

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:  # noqa: ANN401 - those of logging
        """See logging. An error of the parser is no failure of the process: a caller may cause any number of them."""
        is_of_caller = isinstance(kwargs.get("exc_info"), HttpProcessingError)
        super().log(logging.DEBUG if is_of_caller else level, msg, *args, **kwargs)

    def process(self, msg: object, kwargs: MutableMapping[str, Any]) -> tuple[object, MutableMapping[str, Any]]:
        """See logging."""
        error = kwargs.pop("exc_info", None)
        return f"{msg}: {type(error).__name__}" if isinstance(error, BaseException) else msg, kwargs


class _TurnedAway(asyncio.Protocol):
    """A connection that is closed as soon as it stands."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        cast("asyncio.Transport", transport).abort()


class _Arriving(asyncio.Protocol):
    """A connection until TLS tells who has opened it."""

    def __init__(self, protocol_for: Callable[[asyncio.Transport], asyncio.Protocol]) -> None:
        self._protocol_for = protocol_for

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        opened = cast("asyncio.Transport", transport)
        protocol = self._protocol_for(opened)
        opened.set_protocol(protocol)
        protocol.connection_made(opened)


class WebServer:
    """The listener. It takes replaced files of the certificate from the next connection on."""

    def __init__(
        self,
        pages: Sequence[Page],
        credentials: Credentials,
        border: BorderPorts,
        apis: Mapping[str, web.Application] | None = None,
        callers: Callers | None = None,
        *,
        home: Handler | None = None,
        needs_certificate: bool = True,
        malformed: Mapping[str, Malformed] | None = None,
    ) -> None:
        """`apis` serve what is below their paths. They check their callers themselves, since each call is an RPC.

        `home` answers at the address without a path, and checks no caller.

        `malformed` writes the refusals of what is no request of HTTP, by the first parts of paths.

        `callers` finds those of pages, who without it come by certificates. A connection needs a certificate unless
        tokens or sessions name callers, too.
        """
        self._callers = callers or certificates_of
        self._verify_mode = ssl.CERT_REQUIRED if needs_certificate else ssl.CERT_OPTIONAL
        self._credentials = credentials
        self._border = border
        self._reading = asyncio.Semaphore(MOST_PAGES)
        application = web.Application(middlewares=[self._ending_old, _answering], client_max_size=0)
        application.router.add_routes([web.get(page.path, self._guarded(page)) for page in pages])
        if home is not None:
            application.router.add_get("/", home)
        for path, api in (apis or {}).items():
            application.add_subapp(path, api)
        application.on_response_prepare.append(_with_headers)
        # The shutdown has its time twice: for handlers to end, and for those that were cancelled.
        self._runner = web.AppRunner(application, shutdown_timeout=DRAIN_SECONDS / 2)
        self._malformed = malformed or {}
        self._socket: socket.socket | None = None
        self._listener: asyncio.Server | None = None
        self._opened: Mapping[web.RequestHandler, float] = {}
        self._untaken: Mapping[web.RequestHandler, tuple[int, float]] = {}
        """The bytes of answers that callers have not taken yet, and since when they are as many."""
        self._held: dict[web.RequestHandler, str] = {}
        """The caller of each connection, empty without a certificate, and of some that have ended."""
        self._turned_away = 0
        self._stamp = credentials.stamp()

    async def start(self, listen: str) -> int:
        """Listens on `host:port` and serves; returns the port. Raises PortInUse or CredentialsUnusable."""
        host, port = host_and_port(listen)
        context = self._context()
        try:
            self._socket = socket.create_server((host, port), family=_family(host), backlog=_BACKLOG)
        except OSError as error:
            raise PortInUse(listen, str(error.strerror)) from error
        await self._runner.setup()
        await self._serve(self._socket, context)
        return cast("int", self._socket.getsockname()[1])

    async def follow(self) -> None:
        """Takes over replaced files of the certificate, until it is cancelled. Connections go on until their age."""
        assert self._socket is not None
        while True:
            await asyncio.sleep(until_look(LOOK_SECONDS))
            self._end_old()
            stamp = self._credentials.stamp()
            if stamp == self._stamp:
                continue
            self._stamp = stamp
            try:
                context = self._context()
            except CredentialsUnusable as error:
                _log.warning("serving HTTPS on with the former certificate: %s", error)
                continue
            await self._serve(self._socket, context)

    async def close(self) -> None:
        """Finishes the calls that are being served, and stops."""
        if self._listener is not None:
            self._listener.close()
        await self._runner.cleanup()
        if self._socket is not None:
            self._socket.close()

    async def _serve(self, listening: socket.socket, context: ssl.SSLContext) -> None:
        if self._listener is not None:
            self._listener.close()
        self._listener = await asyncio.get_running_loop().create_server(
            lambda: _Arriving(self._protocol_for),
            sock=listening.dup(),
            ssl=context,
            backlog=_BACKLOG,
            ssl_handshake_timeout=HANDSHAKE_MS / 1_000,
        )

    def _protocol_for(self, transport: asyncio.Transport) -> asyncio.Protocol:
        """The protocol of a connection that stands, unless its caller has all that it may have.

        Strangers leave half of the places to callers with certificates, and each of these three quarters to others.
        """
        server = self._runner.server
        if server is not None and len(server.connections) < MOST_CONNECTIONS:
            caller = _named(transport.get_extra_info("peercert"))
            self._held = {each: self._held[each] for each in server.connections if each in self._held}
            held = list(self._held.values()).count(caller)
            if held < (MOST_OF_CALLER if caller else MOST_CONNECTIONS // 2):
                self._held[handler := self._connection(server)] = caller
                return handler
        self._turned_away += 1
        return _TurnedAway()

    def _connection(self, server: web.Server) -> web.RequestHandler:
        return Connection(
            server,
            self._malformed,
            lambda _, refused: _refused(refused),
            loop=asyncio.get_running_loop(),
            access_log=None,
            logger=_WithoutContent(_log, {}),
            auto_decompress=False,  # a compressed body would grow before anybody has counted its bytes
            keepalive_timeout=IDLE_SECONDS,
        )

    def _end_old(self) -> None:
        """Closes the connections that no answer has closed in the time of grace behind their age.

        Cuts those whose callers take nothing of an answer.
        """
        assert self._runner.server is not None
        now = asyncio.get_running_loop().time()
        self._opened = {each: self._opened.get(each, now) for each in self._runner.server.connections}
        self._untaken = dict(_untaken(self._opened, self._untaken, now))
        for connection, (_, since) in self._untaken.items():
            if connection.transport is not None and now - since >= IDLE_SECONDS:
                connection.transport.abort()  # closing would wait until the caller has taken the answer
        for connection in self._opened:
            if self._age_ms(connection) >= CONNECTION_AGE_MS + CONNECTION_GRACE_MS:
                connection.force_close()
        if self._turned_away:
            _log.warning("turned %d connections away: %d are open", self._turned_away, len(self._opened))
            self._turned_away = 0

    def _age_ms(self, connection: web.RequestHandler) -> float:
        now = asyncio.get_running_loop().time()
        return (now - self._opened.get(connection, now)) * 1_000

    def _context(self) -> ssl.SSLContext:
        """Raises CredentialsUnusable."""
        now = self._border.clock.now()
        self._credentials.load(now)
        files = self._credentials.in_use(now)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = self._verify_mode
        context.sslobject_class = Handshake
        context.num_tickets = 0  # a resumed session would have no certificates
        try:
            context.load_verify_locations(files.authority)
            context.load_cert_chain(files.certificate, files.key)
        except (OSError, ssl.SSLError) as error:
            raise CredentialsUnusable(f"{files.certificate}: {error}") from error
        return context

    @web.middleware
    async def _ending_old(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Closes a connection with an answer at the age at which gRPC closes its own."""
        answer = await handler(request)
        if self._age_ms(request.protocol) >= CONNECTION_AGE_MS:
            answer.force_close()
        return answer

    def _guarded(self, page: Page) -> Handler:
        async def show(request: web.Request) -> web.StreamResponse:
            if self._reading.locked():
                raise Refused(Reason.REASON_TOO_BUSY)
            async with self._reading:
                return await admitted(request)

        async def admitted(request: web.Request) -> web.StreamResponse:
            await admitted_reader(self._border, self._callers(request), page.roles, page.path, page.name)
            return await page.show(request)

        return show


async def admitted_reader(
    border: BorderPorts, caller: Caller, roles: frozenset[Role.ValueType], path: str, name: str
) -> Peer:
    """The reader of a page, who has called. `name` is the page's in the scopes of systems.

    Raises Refused as the border of RPCs, with its audit row for a reader who is turned away.
    """
    require = border.access.require_role
    return await border.require_peer(caller, path, lambda identity: require(identity, roles, path, name))


def certificates_of(request: web.Request) -> Mapping[str, Collection[bytes]]:
    """The certificates of a caller in the form of gRPC's `auth_context()`; empty for a caller without any.

    Raises Refused with UNAUTHENTICATED for a connection that has gone.
    """
    transport = request.transport
    found = None if transport is None else transport.get_extra_info("ssl_object")
    if found is None:
        raise Refused(Reason.REASON_UNAUTHENTICATED)
    return _auth_context(found)


@web.middleware
async def _answering(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Gives each refusal as google.rpc.Status in JSON."""
    try:
        return await handler(request)
    except Refused as refused:
        return _refused(refused)
    except web.HTTPException as error:
        allowed = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
        return web.Response(status=error.status, text=error.reason, headers=allowed)
    except Exception as error:  # noqa: BLE001 - a defect: logged, and told by its number
        resource = request.match_info.route.resource
        return _refused(incident("HTTPS" if resource is None else resource.canonical, error))


async def _with_headers(_: web.Request, answer: web.StreamResponse) -> None:
    """Gives each answer the headers of all pages, and takes off that which names the library and its version."""
    give_headers(answer)
    answer.headers.popall("Server", None)


def _refused(refused: Refused) -> web.Response:
    status, headers = http_status(refused.reason), told_headers(refused)
    return web.json_response({"error": MessageToDict(to_status(refused))}, status=status, headers=headers)


def _auth_context(connection: _SslObject) -> Mapping[str, Collection[bytes]]:
    """The certificates of a peer in the form of gRPC's `auth_context()`."""
    own = connection.getpeercert(binary_form=True)
    if own is None:
        return {}
    certificate = x509.load_der_x509_certificate(own)
    names: Sequence[str] = ()
    with contextlib.suppress(ValueError):
        names = uris_of(certificate)
    return {
        "peer_uri": [name.encode() for name in names],
        "x509_pem_cert": [certificate.public_bytes(Encoding.PEM)],
        "x509_pem_cert_chain": [_chain(connection)],
    }


def _chain(connection: _SslObject) -> bytes:
    """The certificates that the peer has sent, PEM.

    The standard library has a public way from Python 3.13 on; before, the object within has it.
    """
    inner = cast("_Chained", getattr(connection, "_sslobj", connection))
    return b"".join(each.public_bytes().encode() for each in inner.get_unverified_chain() or ())


def _untaken(
    connections: Iterable[web.RequestHandler], before: Mapping[web.RequestHandler, tuple[int, float]], now: float
) -> Iterator[tuple[web.RequestHandler, tuple[int, float]]]:
    """The connections with bytes that are still to be sent: how many, and since when as many as before."""
    for each in connections:
        size = 0 if each.transport is None else each.transport.get_write_buffer_size()
        if size:
            known, since = before.get(each, (0, now))
            yield each, (size, since if size == known else now)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _named(certificate: Mapping[str, object] | None) -> str:
    """The names in the certificate of a connection, as Python's `ssl` gives it; empty without one."""
    return str(certificate.get("subjectAltName", certificate["serialNumber"])) if certificate else ""
