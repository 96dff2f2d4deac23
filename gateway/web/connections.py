"""Connections of the HTTPS listener: what is no request of HTTP is refused in the form of the path that it names."""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from gateway.errors import Refused, invalid

LONGEST_LINE = 8_190  # bytes of a request line, and of a header
_START = re.compile(rb"[A-Z]{1,16} (/[a-z-]{0,32})[/? ]")

# Nothing of a page is stored on the way, guessed by a browser, shown inside of another page, or named to others.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # `no-referrer` would take the origin from forms, too
    "X-Content-Type-Options": "nosniff",
}
Malformed = Callable[[web.BaseRequest, Refused], web.Response]
"""Writes the refusal of what is no request. The request is an empty one, on the same connection."""


class Connection(web.RequestHandler):
    """A connection. It keeps the first part of the path of its last request, and nothing else of it."""

    __slots__ = ("_malformed", "_path", "_unnamed")

    def __init__(
        self,
        server: web.Server,
        malformed: Mapping[str, Malformed],
        unnamed: Malformed,
        **settings: Any,  # noqa: ANN401 - those of aiohttp, which describes them
    ) -> None:
        """`malformed` writes refusals by the first parts of paths, and `unnamed` those of all other paths."""
        super().__init__(server, max_line_size=LONGEST_LINE, max_field_size=LONGEST_LINE, **settings)
        self._malformed = malformed
        self._unnamed = unnamed
        self._path = ""

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        # The error of the parser has no path, and a line that is too long comes in several parts.
        found = _START.match(data)
        if found is not None:
            self._path = found[1].decode("ascii")
        super().data_received(data)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """See aiohttp, whose answer would repeat a part of the line, which may hold a secret."""
        answer = super().handle_error(request, status, exc, message)
        if status != HTTPStatus.BAD_REQUEST:
            return answer
        told = self._malformed.get(self._path, self._unnamed)(request, _refused(exc))
        give_headers(told)
        told.headers["Server"] = "crossregion"  # without one, aiohttp names itself and its version
        told.force_close()
        return told


def give_headers(answer: web.StreamResponse) -> None:
    """Gives an answer the headers of all pages, where it has none of their names."""
    for name, value in _HEADERS.items():
        answer.headers.setdefault(name, value)


def _refused(error: BaseException | None) -> Refused:
    if isinstance(error, LineTooLong):
        problem, chinese = f"has a line of more than {LONGEST_LINE} bytes", f"含有超过{LONGEST_LINE}字节的行"
        return invalid("request", problem, chinese)
    return invalid("request", "is no HTTP/1.1", "不符合HTTP/1.1格式")
