"""The metrics of a process as Prometheus reads them, with those of the process itself (processor, memory, files)."""

from aiohttp import web
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder

from gateway.api.types.v1.access_pb2 import Role
from gateway.web.server import Page

PATH = "/metrics"
NAME = "Metrics"
_READERS = frozenset({Role.ROLE_MONITOR, Role.ROLE_ADMIN, Role.ROLE_OPERATOR, Role.ROLE_STAFF})


class MetricsPage:
    """The page `/metrics`. `reader` collects the metrics of the process for it."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.reader = PrometheusMetricReader(registry=self._registry, scope_info_enabled=False)

    def page(self) -> Page:
        """Monitors and administrators read it, and of the own region staff, and operator systems by their scope."""
        return Page(PATH, NAME, _READERS, self._show)

    async def _show(self, request: web.Request) -> web.StreamResponse:
        # On the event loop, because the gauges read what belongs to it.
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})
