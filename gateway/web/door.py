"""The HTTPS listener as a process opens it: not at all without its settings."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import MetricReader

from gateway.process.running import show_port
from gateway.rpc.in_process import InProcess
from gateway.rpc.interceptor import BorderPorts
from gateway.security.access_tokens import AccessTokens
from gateway.security.tls import Credentials
from gateway.web.settings import WebSettings

if TYPE_CHECKING:
    from gateway.web.connections import Malformed
    from gateway.web.console.pages import WebConsole
    from gateway.web.routes import Api
    from gateway.web.server import WebServer

_log = logging.getLogger(__name__)


class Door:
    """The HTTPS listener of a process and its pages. Without settings there is neither."""

    def __init__(self, settings: WebSettings | None) -> None:
        self._settings = settings
        self._server: WebServer | None = None
        self._metrics = None
        if settings is not None:
            # A large import, needed only by processes that serve HTTPS.
            from gateway.web.metrics_page import MetricsPage  # noqa: PLC0415

            self._metrics = MetricsPage()

    def readers(self) -> list[MetricReader]:
        """The collectors of the process's metrics."""
        return [] if self._metrics is None else [self._metrics.reader]

    async def open(
        self,
        credentials: Credentials,
        border: BorderPorts,
        stack: contextlib.AsyncExitStack,
        calls: InProcess,
        apis: "Sequence[Api]" = (),
        consoles: "Sequence[WebConsole]" = (),
        tokens: AccessTokens | None = None,
    ) -> list[Coroutine[Any, Any, None]]:
        """Listens until `close`, and returns the loops to run meanwhile.

        `stack` removes the file of the port. `calls` are the RPCs that APIs and consoles are made of. `tokens` admit
        operator systems without a certificate.
        Raises PortInUse or CredentialsUnusable.
        """
        if self._settings is None or self._metrics is None:
            return []
        from gateway.web.callers import callers_of  # noqa: PLC0415
        from gateway.web.refusing import told_malformed  # noqa: PLC0415
        from gateway.web.routes import ROOT, applications  # noqa: PLC0415
        from gateway.web.server import WebServer  # noqa: PLC0415

        callers = callers_of(tokens, border.clock)
        pages = [page for api in apis for page in api.pages]
        served, home = dict(applications(apis, calls, callers)), None
        malformed: dict[str, Malformed] = {ROOT: told_malformed} if apis else {}
        if consoles:
            # Templates are a large import, needed only by processes with a console.
            from gateway.web.console.application import ConsoleApplication  # noqa: PLC0415

            shown = {each.root: ConsoleApplication(each, calls, border) for each in consoles}
            served |= {root: each.served() for root, each in shown.items()}
            malformed |= {root: each.told_malformed for root, each in shown.items()}
            home = shown[consoles[0].root].lead_home
        needs_certificate = tokens is None and all(each.sign_in is None for each in consoles)
        self._server = server = WebServer(
            [self._metrics.page(), *pages],
            credentials,
            border,
            served,
            callers,
            home=home,
            needs_certificate=needs_certificate,
            malformed=malformed,
        )
        port = await server.start(self._settings.listen)
        show_port(self._settings.port_file, port, stack)
        _log.info("serves HTTPS on port %d", port)
        return [server.follow(), *(each.sign_in.keys.run() for each in consoles if each.sign_in is not None)]

    async def close(self, *drains: Callable[[], Awaitable[None]]) -> None:
        """Finishes the calls by HTTPS, and at the same time those by gRPC with `drains`: a stop has few seconds."""
        closing = () if self._server is None else (self._server.close(),)
        await asyncio.gather(*(drain() for drain in drains), *closing)
