"""Answers in JSON, and refusals in TM Forum's form: the part of an API beside its routes."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, listed
from gateway.web.json_texts import text_of
from gateway.web.refusals import http_status, preferred_language, told_error, told_headers

TYPE = "application/json"
MERGE_PATCH = "application/merge-patch+json"  # RFC 7396


def written_json(told: object, status: HTTPStatus, headers: Mapping[str, str]) -> web.Response:
    """An answer with a body in JSON."""
    # A path that is no UTF-8 is told as far as it is.
    body = text_of(told).encode(errors="replace")
    return web.Response(body=body, status=status, content_type=TYPE, charset="utf-8", headers=headers)


def types_of(request: web.Request) -> Sequence[str]:
    """The media types of a body."""
    return (TYPE, MERGE_PATCH) if request.method == "PATCH" else (TYPE,)


def _accepted(request: web.Request) -> Mapping[str, str]:
    """The headers that name what a body may be: of a patch (RFC 5789, 2.2), and of all else (RFC 9110, 15.5.16)."""
    name = "Accept-Patch" if request.method == "PATCH" else "Accept"
    return {name: ", ".join(types_of(request)), "Accept-Encoding": "identity"}


def refusing(served: Sequence[str], lists: Collection[str] = ()) -> Middleware:
    """The middleware that writes each refusal in TM Forum's form.

    The refusal of an unknown address has the addresses that are `served`. `lists` are the paths of lists, each with a
    slash behind.
    """

    @web.middleware
    async def refuse(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        allowed = ""
        try:
            return await handler(request)
        except Refused as error:
            refused, status = error, http_status(error.reason)
        except web.HTTPMethodNotAllowed as error:
            allowed = ", ".join(sorted(error.allowed_methods))
            refused, status = _unknown(request, served, lists), HTTPStatus.METHOD_NOT_ALLOWED
        except web.HTTPNotFound:
            refused, status = _unknown(request, served, lists), HTTPStatus.NOT_FOUND
        return _told(request, refused, status, allowed)

    return refuse


def _told(request: web.Request, refused: Refused, status: HTTPStatus, allowed: str) -> web.Response:
    """The answer with a refusal. `allowed` are the methods of the address, for another one."""
    language = preferred_language(request.headers.get("Accept-Language", ""))
    headers = {"Content-Language": language, **told_headers(refused), **({"Allow": allowed} if allowed else {})}
    if status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
        headers.update(_accepted(request))
    return written_json(told_error(refused, language, status), status, headers)


def _unknown(request: web.Request, served: Sequence[str], lists: Collection[str]) -> Refused:
    """METHOD_UNKNOWN, with the address that is meant where a slash behind it is too much."""
    raw = request.rel_url.raw_path  # an id may end with a slash, written otherwise
    meant = {"nearest": raw[:-1]} if raw.endswith("/") and raw.startswith(tuple(lists)) else {}
    told = listed(served=served) if served else {}
    return Refused(Reason.REASON_METHOD_UNKNOWN, method=f"{request.method} {request.path}", **told, **meant)
