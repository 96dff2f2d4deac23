"""The sink that is a webhook of the region's own: one POST for each level, over TLS that is verified."""

import asyncio
from http.client import HTTPException
from urllib.parse import urlsplit

from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.errors import Unreachable
from gateway.security.http_post import PostTarget, secret_in
from region_node.care.escalations.file import as_json
from region_node.node.settings import WebhookSettings

_TAKEN = range(200, 300)  # everything else, a redirect too, is a failure: data goes only to the configured address


def target(settings: WebhookSettings) -> PostTarget:
    """Where a webhook is."""
    return PostTarget(settings.url, settings.authority)


def headers(settings: WebhookSettings, idempotency_key: str) -> dict[str, str]:
    """The headers of a POST. Raises OSError or ValueError for a file without a token."""
    told = {
        "Content-Type": "application/json; charset=utf-8",
        "Idempotency-Key": idempotency_key,
        "User-Agent": "region-node",
    }
    if settings.token is not None:
        told["Authorization"] = f"Bearer {secret_in(settings.token)}"
    return told


class Webhook:
    """See the port. Certificates and the token are read each time, so that new ones count immediately."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings

    async def tell(self, raised: RaisedComplaint, timeout: float) -> None:
        """See the port."""
        await asyncio.to_thread(self._post, raised, timeout)

    def _post(self, raised: RaisedComplaint, timeout: float) -> None:
        host = urlsplit(self._settings.url).hostname
        try:
            told = headers(self._settings, raised.id)
            status, _ = target(self._settings).post(told, as_json(raised).encode(), timeout)
        except (OSError, HTTPException, ValueError) as failure:
            raise Unreachable(f"{host}: {type(failure).__name__}: {failure}") from None
        if status not in _TAKEN:
            raise Unreachable(f"{host}: it answered {status}")
