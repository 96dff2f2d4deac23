"""Posts to servers that settings name: verified by TLS, without a redirect and without a proxy."""

import http.client
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_SECRET = re.compile(r"[\x21-\x7e]+", re.ASCII)


@dataclass(frozen=True)
class PostTarget:
    """Where to post. The authority is read for each connection, so that a new one counts immediately."""

    url: str
    authority: Path | None
    """The authority of the server, PEM; those that the machine trusts without it."""

    def connect(self, seconds: float) -> http.client.HTTPConnection:
        """An open connection, verified if it is TLS. Raises OSError, also for certificates."""
        url = urlsplit(self.url)
        host = url.hostname or ""
        connection: http.client.HTTPConnection
        if url.scheme == "https":
            trusted = ssl.create_default_context(cafile=self.authority)
            connection = http.client.HTTPSConnection(host, url.port, timeout=seconds, context=trusted)
        else:
            connection = http.client.HTTPConnection(host, url.port, timeout=seconds)
        connection.connect()
        return connection

    def post(self, headers: Mapping[str, str], body: bytes, seconds: float, largest: int = 0) -> tuple[int, bytes]:
        """Posts a body; returns the status, and at most `largest` bytes of the answer.

        Raises OSError, ValueError or http.client.HTTPException.
        """
        url = urlsplit(self.url)
        connection = self.connect(seconds)
        try:
            connection.request("POST", f"{url.path or '/'}{'?' if url.query else ''}{url.query}", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(largest)
        finally:
            connection.close()


def secret_in(file: Path) -> str:
    """The one secret that a file holds. Raises OSError or ValueError."""
    secret = file.read_text("utf-8").strip()
    if not _SECRET.fullmatch(secret):
        raise ValueError(f"{file} does not hold one secret")
    return secret
