"""Connections of the HTTPS listener: their handshakes, and the refusals of what is no request of HTTP."""

import re
import ssl
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from gateway.errors import Refused, invalid

LONGEST_LINE = 8_190  # bytes of a request line, and of a header
LARGEST_HEAD = 64 * 1024  # bytes of a head that has not ended: the limits of lines and headers alone allow 1 MiB
_IN_NO_HEAD = b"\0"  # the parser refuses it everywhere in a head
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


class Handshake(ssl.SSLObject):
    """A handshake that says by an alert why it fails. Browsers show the text of that."""

    _failure: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        """See ssl. A failure is raised by the next call: an event loop sends nothing more after the first one."""
        if self._failure is not None:
            raise self._failure
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self._failure = error
            raise ssl.SSLWantReadError from error


class Connection(web.RequestHandler):
    """A connection. It keeps the first part of the path of its last request, and nothing else of it."""

    __slots__ = ("_body", "_head", "_is_over", "_malformed", "_path", "_unnamed")

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
        self._body: StreamReader = EMPTY_PAYLOAD
        """That of the last request."""
        self._head = 0
        """Bytes of a head that has not ended."""
        self._is_over = False
        """Nothing more is read: the parser would find an error in each part that comes."""

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._end_at_error()  # aiohttp goes on reading before `finish_response` has ended
        if self._is_over:
            return
        # The error of the parser has no path, and a line that is too long comes in several parts.
        found = _START.match(data)
        if found is not None:
            self._path = found[1].decode("ascii")
        is_head, requests = self._body.is_eof() and not self._upgraded, self._request_count
        super().data_received(data)
        self._end_at_error()
        self._head = self._head + len(data) if is_head and requests == self._request_count else 0
        if self._head > LARGEST_HEAD:
            super().data_received(_IN_NO_HEAD)
            self._end_at_error()

    def connection_lost(self, exc: BaseException | None) -> None:
        """See asyncio."""
        super().connection_lost(exc)
        self._body = EMPTY_PAYLOAD  # a body knows its connection: the two would wait for the garbage collector

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """See aiohttp, which parses here what came behind a request for another protocol."""
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._end_at_error()

    def _end_at_error(self) -> None:
        """Reads nothing more where the last of the requests that wait is an error of the parser.

        Keeps only its kind: its text repeats a line. A body in which it stands has not come whole.
        """
        if not self._messages:
            return
        last, body = self._messages[-1]
        if isinstance(last, RawRequestMessage):
            self._body = body
            return
        if not self._body.is_eof():
            self._body.set_exception(web.RequestPayloadError())
        self._is_over = True
        if self.transport is not None:
            self.transport.pause_reading()
        # The frames of its traceback hold it, in a cycle with bytes that came: the garbage collector comes late to it.
        last.exc.__traceback__ = None
        self._messages[-1] = type(last)(last.status, type(last.exc).__new__(type(last.exc)), ""), body

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
