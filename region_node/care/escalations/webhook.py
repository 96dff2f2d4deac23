"""The sink that is a webhook of the region's own: one POST for each level, over TLS that is verified."""

import asyncio
import http.client
import re
import ssl
from urllib.parse import urlsplit

from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.errors import Unreachable
from region_node.care.escalations.file import as_json
from region_node.node.settings import WebhookSettings

_TOKEN = re.compile(r"[\x21-\x7e]+", re.ASCII)
_TAKEN = range(200, 300)  # everything else, a redirect too, is a failure: data goes only to the configured address


def connect(settings: WebhookSettings, timeout: float) -> http.client.HTTPConnection:
    """An open connection, verified if it is TLS. Raises OSError, also for certificates."""
    url = urlsplit(settings.url)
    host, port = url.hostname or "", url.port
    connection: http.client.HTTPConnection
    if url.scheme == "https":
        authority = None if settings.authority is None else str(settings.authority)
        trusted = ssl.create_default_context(cafile=authority)
        connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=trusted)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
    connection.connect()
    return connection


def headers(settings: WebhookSettings, idempotency_key: str) -> dict[str, str]:
    """The headers of a POST. Raises OSError or ValueError for a file without a token."""
    told = {
        "Content-Type": "application/json; charset=utf-8",
        "Idempotency-Key": idempotency_key,
        "User-Agent": "region-node",
    }
    if settings.token is not None:
        token = settings.token.read_text("utf-8").strip()
        if not _TOKEN.fullmatch(token):
            raise ValueError(f"{settings.token} does not hold one token")
        told["Authorization"] = f"Bearer {token}"
    return told


class Webhook:
    """See the port. Certificates and the token are read each time, so that new ones count immediately."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings

    async def tell(self, raised: RaisedComplaint, timeout: float) -> None:
        """See the port."""
        await asyncio.to_thread(self._post, raised, timeout)

    def _post(self, raised: RaisedComplaint, timeout: float) -> None:
        url = urlsplit(self._settings.url)
        target = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
        try:
            connection = connect(self._settings, timeout)
            try:
                told = headers(self._settings, raised.id)
                connection.request("POST", target, as_json(raised).encode(), told)
                status = connection.getresponse().status
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError) as failure:
            raise Unreachable(f"{url.hostname}: {type(failure).__name__}: {failure}") from None
        if status not in _TAKEN:
            raise Unreachable(f"{url.hostname}: it answered {status}")
