"""A webhook of a region's own: a real HTTP server on this machine, with TLS by an authority of its own or without."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from deploy.local.identity_provider import self_signed


@dataclass
class Hook:
    """The posts, oldest first, and the next responses."""

    url: str = ""
    authority: Path | None = None
    answers: list[int] = field(default_factory=list)
    """Of the next posts, in order; 204 once none is left."""
    location: str = ""
    """The target of a redirect."""
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    """The bodies as they came."""

    def ids(self) -> list[str]:
        """The ids of what was posted."""
        return [each["id"] for each in self.bodies]


@contextmanager
def serving(directory: Path | None = None) -> Iterator[Hook]:
    """A webhook that serves meanwhile: by TLS where there is a directory for its certificate."""
    hook = Hook()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hook))
    if directory is not None:
        hook.authority, key = self_signed(directory, "hook")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(hook.authority, key)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    scheme = "http" if directory is None else "https"
    hook.url = f"{scheme}://127.0.0.1:{server.server_address[1]}/escalations?from=region"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(hook: Hook) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.headers.append(dict(self.headers.items()))
            hook.paths.append(self.path)
            hook.raw.append(body)
            hook.bodies.append(json.loads(body))
            self.send_response(hook.answers.pop(0) if hook.answers else 204)
            if hook.location:
                self.send_header("Location", hook.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Logs nothing."""

    return Handler
