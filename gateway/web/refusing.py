"""Answers in JSON, and refusals in TM Forum's form: the part of an API beside its routes."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, listed
from gateway.web.json_texts import text_of
from gateway.web.refusals import http_status, preferred_language, told_error, told_headers

TYPE = "application/json"
MERGE_PATCH = "application/merge-patch+json"  # RFC 7396


@dataclass(frozen=True)
class LeftOut:
    """A resource in TM Forum's file of an API that the API does not serve on purpose, at all its paths or at some."""

    resource: str
    """The first part of its paths, for example `category`."""
    instead: str
    """A clause that says why, and which request serves in its place."""
    instead_zh_cn: str


def written_json(told: object, status: HTTPStatus, headers: Mapping[str, str]) -> web.Response:
    """An answer with a body in JSON."""
    # A path that is no UTF-8 is told as far as it is.
    body = text_of(told).encode(errors="replace")
    return web.Response(body=body, status=status, content_type=TYPE, charset="utf-8", headers=headers)


def types_of(request: web.BaseRequest) -> Sequence[str]:
    """The media types of a body."""
    return (TYPE, MERGE_PATCH) if request.method == "PATCH" else (TYPE,)


def _accepted(request: web.BaseRequest) -> Mapping[str, str]:
    """The headers that name what a body may be: of a patch (RFC 5789, 2.2), and of all else (RFC 9110, 15.5.16)."""
    name = "Accept-Patch" if request.method == "PATCH" else "Accept"
    return {name: ", ".join(types_of(request)), "Accept-Encoding": "identity"}


def refusing(
    served: Sequence[str], lists: Collection[str] = (), left_out: Mapping[str, LeftOut] | None = None
) -> Middleware:
    """The middleware that writes each refusal in TM Forum's form.

    The refusal of an unknown address has the addresses that are `served`. `lists` are the paths of lists, each with a
    slash behind. `left_out` has resources by their paths.
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
            resource = _left_out(request.path, left_out or {})
            if resource is None:
                refused, status = _unknown(request, served, lists), HTTPStatus.NOT_FOUND
            else:
                refused, status = _refused(resource), HTTPStatus.NOT_IMPLEMENTED
        return _told(request, refused, status, allowed)

    return refuse


def told_malformed(request: web.BaseRequest, refused: Refused) -> web.Response:
    """The answer to what is no request of HTTP."""
    return _told(request, refused, http_status(refused.reason), "")


def _told(request: web.BaseRequest, refused: Refused, status: HTTPStatus, allowed: str) -> web.Response:
    """The answer with a refusal. `allowed` are the methods of the address, for another one."""
    language = preferred_language(request.headers.get("Accept-Language", ""))
    headers = {"Content-Language": language, **told_headers(refused), **({"Allow": allowed} if allowed else {})}
    if status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
        headers.update(_accepted(request))
    return written_json(told_error(refused, language, status), status, headers)


def _left_out(path: str, left_out: Mapping[str, LeftOut]) -> LeftOut | None:
    """The resource that is left out at a path, or above it; None where that is none."""
    return next((each for root, each in left_out.items() if path == root or path.startswith(f"{root}/")), None)


def _refused(left_out: LeftOut) -> Refused:
    told = {"instead": left_out.instead, "instead_zh_cn": left_out.instead_zh_cn}
    return Refused(Reason.REASON_RESOURCE_LEFT_OUT, resource=left_out.resource, **told)


def _unknown(request: web.Request, served: Sequence[str], lists: Collection[str]) -> Refused:
    """METHOD_UNKNOWN, with the address that is meant where a slash behind it is too much."""
    raw = request.rel_url.raw_path  # an id may end with a slash, written otherwise
    meant = {"nearest": raw[:-1]} if raw.endswith("/") and raw.startswith(tuple(lists)) else {}
    told = listed(served=served) if served else {}
    return Refused(Reason.REASON_METHOD_UNKNOWN, method=f"{request.method} {request.path}", **told, **meant)
