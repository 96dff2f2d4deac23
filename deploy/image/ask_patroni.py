"""A question to the Patroni of this container, for health checks. Usage: ask_patroni.py liveness|readiness

The exit code is 0 where Patroni says yes, else 1. Debian's Python runs it, without other packages.
"""

import ssl
import sys
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPException, HTTPSConnection
from pathlib import Path

_FILES = Path("/etc/crossregion/postgresql")
_PORT = 8008
_SECONDS = 2.0


def affirms(question: str, files: Path = _FILES, port: int = _PORT) -> bool:
    """Whether the Patroni at a port of this machine says yes. `files`: its own certificate, which is a client's too."""
    context = ssl.create_default_context(cafile=files / "authority.crt")
    context.load_cert_chain(files / "tls.crt", files / "tls.key")
    with closing(HTTPSConnection("localhost", port, timeout=_SECONDS, context=context)) as connection:
        try:
            connection.request("GET", f"/{question}")
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, HTTPException):
            return False


if __name__ == "__main__":
    sys.exit(not affirms(sys.argv[1]))
