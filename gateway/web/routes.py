"""APIs of HTTP as tables: each route is an RPC of the process, with two pure functions that translate.

A route decides nothing. The RPC is called within the process, past the same border as by gRPC
(`gateway.rpc.in_process`).
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from http import HTTPStatus
from typing import Protocol, TypeVar, cast

from aiohttp import web
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.errors import Refused, invalid
from gateway.rpc.in_process import Arrival
from gateway.rpc.incidents import incident
from gateway.security.peers import Caller, Peer
from gateway.web.bodies import whole_body
from gateway.web.enum_words import number_of
from gateway.web.json_bodies import Attributes, parsed, unsupported
from gateway.web.json_texts import JsonText, array_of
from gateway.web.listed import Gathering, Listed, Selecting, Sorting
from gateway.web.refusals import preferred_language
from gateway.web.refusing import LeftOut, refusing, types_of, written_json
from gateway.web.selecting import (
    Query,
    Schema,
    Selection,
    fields_of,
    listed_headers,
    paths_of,
    within,
)
from gateway.web.server import READING, Callers, Page

ROOT = "/tmf-api"
"""All APIs are below it."""
TYPE_ATTRIBUTES = ("@type", "@baseType", "@schemaLocation")
"""The attributes of any object that name its type."""
STAFF_PROOF = "Requester-Proof"
"""The header with the proof of a member of staff behind a call."""
IDENTITY_VERIFICATION = "Identity-Verification"
"""The header with the papers of a customer, for routes that read by them and have no body."""
_DEADLINE = 15.0  # seconds of a call, beside what its caller lets it wait
_WAIT = re.compile(r'wait\s*=\s*"?([0-9]{1,9})"?', re.ASCII | re.IGNORECASE)
_FIELD, _NUMBER = "field", "number"  # parameters of refusals
_ONE = Selection()
_HEADERS = {
    "request_id": "Idempotency-Key",
    "requester.staff_id": "Requester-Staff-Id",
    "requester.channel": "Requester-Channel",
}
"""The headers that become fields of requests."""
_QUOTED = re.compile(r'"([^"\\]*)"')
"""A text of a structured field (RFC 9651), in which `Idempotency-Key` may stand."""

Response = TypeVar("Response", bound=Message)
T = TypeVar("T")
Places = Mapping[str, str | Callable[[Message], str]]
"""See `Route.places`."""


class Calls(Protocol):
    """The RPCs of the process."""

    async def call(self, path: str, arrival: Arrival) -> Message:
        """See `gateway.rpc.in_process.InProcess`."""
        ...


@dataclass(frozen=True)
class Asked:
    """A request of HTTP, as routes translate it."""

    root: str
    """The path of the API, before that of the route."""
    names: Mapping[str, str] = field(repr=False)
    """What stands for the names in the path of the route."""
    query: Mapping[str, str] = field(repr=False)
    language: str
    requester: Requester = field(repr=False)
    """The person behind the call, as the headers name them."""
    request_id: str
    """`Idempotency-Key`; empty without one."""
    wait: Duration
    """How long the caller waits for others at most: `Prefer: wait=` (RFC 7240)."""
    body: Attributes = field(repr=False)
    """Empty where the route takes none."""
    papers: str = field(default="", repr=False)
    """`IDENTITY_VERIFICATION` as it came; empty without one."""
    within: Mapping[str, Collection[str]] = field(default_factory=dict, repr=False)
    """The values of attributes, by their paths, that the RPC of a list does not select by."""
    is_reversed: bool = False
    """Whether a list is wanted in reverse."""
    sorted_by: Sequence[str] = ()
    """The attributes by which a list is wanted, as `Selection.sorted_by`; none for an order of its RPC."""

    @cached_property
    def wanted(self) -> Collection[str]:
        """The attributes that are wanted of a resource; empty where all are."""
        return fields_of(self.query)

    @cached_property
    def fields(self) -> Collection[str]:
        """The attributes that are needed of a resource, to select and sort as well; empty where all are."""
        paths = (*self.within, *(each.removeprefix("-") for each in self.sorted_by))
        return {*self.wanted, *(path.partition(".")[0] for path in paths)} if self.wanted else ()

    @property
    def is_gathered(self) -> bool:
        """Whether a list is selected or sorted out of pages of the RPC."""
        return bool(self.within or self.sorted_by)


@dataclass(frozen=True)
class Answer:
    """An answer of HTTP. It has no body with NO_CONTENT."""

    body: object = field(repr=False)
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Resource:
    """A type of TM Forum's, as routes answer with it."""

    name: str
    """For example `ProductOrder`."""
    schema: Callable[[str], tuple[Schema, Mapping[str, Schema]]]
    """The JSON Schema of its attributes, and the schemas that it refers to, below the place in the document."""
    unlisted: Collection[str] = ()
    """The attributes that no entry of its list has."""


@dataclass(frozen=True)
class Route:
    """One method of one resource, and the RPC that it is; or one of several, by the message that is made of it."""

    verb: str
    path: str
    """Below the path of the API, with `{name}` for what varies."""
    rpc: str
    """`/package.Service/Method`; of several that which the most callers may call."""
    request: Callable[[Asked], Message]
    """Pure. May raise Refused."""
    answer: Callable[[Asked, Message], Answer | Listed]
    """Pure. May raise Refused."""
    others: Sequence[str] = ()
    """The other RPCs, of the same service."""
    selection: Selection = _ONE
    """The query that it takes."""
    attributes: Collection[str] = ()
    """The attributes that its body may have, beside those that name a type. One of these among them is required."""
    resource: Resource | None = None
    """What it answers with, or a list of them. The description of the API tells it."""
    nothing: Collection[Reason.ValueType] = ()
    """The refusals of the RPC that mean a list without entries."""
    places: Places = field(default_factory=dict)
    """The places of its body, by the fields of the RPC that they become, where these have other names.

    Where the request decides on a place, a function gives it.
    """
    required: Collection[str] = ()
    """The attributes that its body always needs, beside those that name a type."""

    @classmethod
    def of(
        cls,
        verb: str,
        path: str,
        rpc: str,
        request: Callable[[Asked], Message],
        answer: Callable[[Asked, Response], Answer | Listed],
        others: Sequence[str] = (),
        *,
        resource: Resource,
        selection: Selection = _ONE,
        attributes: Collection[str] = (),
        nothing: Collection[Reason.ValueType] = (),
        places: Places | None = None,
        required: Collection[str] = (),
    ) -> "Route":
        """A route whose `answer` takes the response of its RPC."""
        told = cast("Callable[[Asked, Message], Answer | Listed]", answer)
        return cls(
            verb, path, rpc, request, told, others, selection, attributes, resource, nothing, places or {}, required
        )

    @cached_property
    def paths(self) -> Mapping[str, Schema]:
        """The attributes of a list by which the RPC does not select, by their paths."""
        resource = self.resource
        if not self.selection.order or resource is None:
            return {}
        told, definitions = resource.schema("")
        properties = cast("Mapping[str, Schema]", told["properties"])
        listed = {name: each for name, each in properties.items() if name not in resource.unlisted}
        found = paths_of(listed, definitions)
        return {path: each for path, each in found.items() if path not in self.selection.known}

    def named(self, refused: Refused, message: Message) -> Refused:
        """The refusal of the RPC, which names the place in the request where it names the field of its message."""
        if refused.reason == Reason.REASON_NUMBER_INVALID and not refused.parameters.get(_NUMBER):
            refused = invalid(_NUMBER, "is missing", "缺失")
        told = refused.parameters
        field_name = told.get(_FIELD, "")
        place = self.places.get(field_name) or _HEADERS.get(field_name)
        if place is None:
            return refused
        return Refused(refused.reason, **{**told, _FIELD: place if isinstance(place, str) else place(message)})

    def rpc_of(self, message: Message) -> str:
        """The RPC that takes a message: requests have the name of their RPC."""
        wanted = f"/{message.DESCRIPTOR.name.removesuffix('Request')}"
        return next(each for each in (self.rpc, *self.others) if each.endswith(wanted))


@dataclass(frozen=True)
class Api:
    """The routes below one path."""

    root: str
    routes: Sequence[Route]
    longest_wait: int
    """Seconds; whoever prefers a longer wait is answered after these."""
    pages: Sequence[Page] = ()
    """What is read below the path without an RPC."""
    title: str = ""
    """For its description."""
    left_out: Sequence[LeftOut] = ()
    """The resources of TM Forum's file that it does not serve on purpose, at all their paths or at some."""


def applications(apis: Sequence[Api], calls: Calls, callers: Callers) -> Mapping[str, web.Application]:
    """The APIs as parts of a server, by their paths, and what answers beside them.

    An API without routes has resources that are left out alone, and no refusal names its path.
    """
    if not apis:
        return {}
    beside = web.Application(middlewares=[refusing([each.root for each in apis if each.routes])])
    return {**{each.root: application(each, calls, callers) for each in apis}, ROOT: beside}


def application(api: Api, calls: Calls, callers: Callers) -> web.Application:
    """An API as a part of a server, which answers everything below its path."""
    lists = {f"{api.root}/{route.path.split('/')[1]}/" for route in api.routes}
    left_out = {f"{api.root}/{each.resource}": each for each in api.left_out}
    served = web.Application(middlewares=[refusing([page.path for page in api.pages], lists, left_out)])
    for route in api.routes:
        # Ids have slashes, which not every client writes otherwise; nothing is served below a resource.
        path = route.path.replace("}", ":.+}")
        for verb in READING if route.verb in READING else (route.verb,):
            served.router.add_route(verb, path, _handler(api, route, calls, callers))
    return served


def _handler(
    api: Api, route: Route, calls: Calls, callers: Callers
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        if request.rel_url.raw_path.endswith("/"):  # an id that ends so has it written otherwise
            raise web.HTTPNotFound
        return await _Serving(api, route, calls, request, callers(request)).answered()

    return handle


class _Serving:
    """A request of HTTP, and the calls that answer it: one, or several where a list is gathered from its pages."""

    def __init__(self, api: Api, route: Route, calls: Calls, request: web.Request, caller: Caller) -> None:
        """Raises Refused as `_metadata`."""
        self._api = api
        self._route = route
        self._calls = calls
        self._request = request
        self._caller = caller
        self._metadata = _metadata(request, caller)
        self._wait = min(_wait(request), api.longest_wait)
        self._asked: Asked | None = None
        self._message: Message | None = None
        self._gathering: Gathering | None = None

    async def answered(self) -> web.Response:
        """The answer. Raises Refused for a wrong request, as the RPC, and as `Gathering.page`."""
        loop, seconds = asyncio.get_running_loop(), _DEADLINE + self._wait
        ends = loop.time() + seconds
        try:
            response = await self._called(seconds, self._read)
        except Refused as refused:
            if self._asked is None or refused.reason not in self._route.nothing:
                raise
            return _written(_part_of_list(self._asked, Listed("", (), "", 0)))
        asked = cast("Asked", self._asked)
        told = _answered(self._route, lambda: self._route.answer(asked, response))
        if not isinstance(told, Listed):
            return _answered(self._route, lambda: _written(told))
        listed = told
        if self._gathering is not None:
            listed = await self._gathering.page(told, lambda query: self._listed(query, ends - loop.time()))
        return _answered(self._route, lambda: _written(_part_of_list(asked, listed)))

    async def _read(self) -> Message:
        """The request of the first call. Raises Refused for anything that the route would not heed."""
        request, route = self._request, self._route
        body = parsed(await _body(request)) if request.can_read_body else Attributes({}, "")
        if request.method == "PATCH":
            body.require_nothing_removed()
        asked = _asked(self._api.root, request, body, self._wait)
        selection = route.selection
        order = selection.order_in(asked.query)
        needs_paths = order is None or asked.query.keys() - selection.known
        paths = await asyncio.to_thread(lambda: route.paths) if needs_paths else {}  # they take long, once
        chosen = within(asked.query, selection, paths)
        selection.require(asked.query, chosen)
        by = selection.sorted_by(asked.query, paths)
        is_reversed = order is not None and order != selection.order
        self._asked = replace(asked, within=chosen, is_reversed=is_reversed, sorted_by=by)
        if by:
            self._gathering = Sorting(asked.query, chosen, selection, paths, by)
        elif chosen:
            self._gathering = Selecting(asked.query, chosen, selection, paths)
        body.require_known((*TYPE_ATTRIBUTES, *route.attributes) if route.attributes else ())
        made = route.request(self._asked if self._gathering is None else self._part(self._gathering.first))
        body.close()
        self._message = made
        return made

    async def _listed(self, query: Query, seconds: float) -> Listed:
        """Another page of the same list, within the time that is left."""
        part = self._part(query)

        async def read() -> Message:
            return self._route.request(part)

        response = await self._called(seconds, read)
        return cast("Listed", _answered(self._route, lambda: self._route.answer(part, response)))

    def _part(self, query: Query) -> Asked:
        return replace(cast("Asked", self._asked), query=query)

    async def _called(self, seconds: float, read: Callable[[], Awaitable[Message]]) -> Message:
        rpc_of = self._route.rpc_of if self._route.others else None
        try:
            return await self._calls.call(self._route.rpc, Arrival(self._caller, self._metadata, seconds, read, rpc_of))
        except Refused as refused:
            if self._message is None:  # it is of the HTTP request itself
                raise
            raise self._route.named(refused, self._message) from None


def _written(answer: Answer) -> web.Response:
    if answer.status == HTTPStatus.NO_CONTENT:
        return web.Response(status=answer.status, headers=answer.headers)
    return written_json(answer.body, answer.status, answer.headers)


def _part_of_list(asked: Asked, listed: Listed) -> Answer:
    """The answer with a page of a list."""
    headers = listed_headers(listed.path, asked.query, len(listed.items), listed.total, listed.token)
    texts = [each.only(asked.wanted).text for each in listed.items]
    return Answer(JsonText(array_of(texts)), headers=headers)


def _answered(route: Route, make: Callable[[], T]) -> T:
    """What is made of an answer. A defect in it is told by its number."""
    try:
        return make()
    except Refused:
        raise
    except Exception as error:
        raise incident(route.rpc, error) from error


def _asked(root: str, request: web.Request, body: Attributes, wait: int) -> Asked:
    for name in request.query:
        if len(request.query.getall(name)) > 1:
            raise unsupported(name, "it stands twice", "重复出现")
    return Asked(
        root=root,
        names=dict(request.match_info),
        query=dict(request.query),
        language=preferred_language(request.headers.get("Accept-Language", "")),
        requester=_requester(request),
        request_id=_unquoted(_header(request, "Idempotency-Key")),
        wait=Duration(seconds=wait),
        body=body,
        papers=_header(request, IDENTITY_VERIFICATION),
    )


def _requester(request: web.Request) -> Requester:
    said = _header(request, "Requester-Channel")
    requester = Requester(staff_id=_header(request, "Requester-Staff-Id"))
    if said:
        requester.channel = channel_of(said, "Requester-Channel")
    return requester


def channel_of(said: str, field: str) -> Channel.ValueType:
    """A channel by its word, for example `counter`. Raises Refused for an unknown one."""
    found = number_of(Channel.DESCRIPTOR, said)
    if found is None:
        raise invalid(field, "names no channel", "不是已知渠道")
    return cast("Channel.ValueType", found)


def _metadata(request: web.Request, caller: Caller) -> Sequence[tuple[str, str]]:
    """Headers that gRPC has as metadata. Raises Refused for what could not be metadata.

    The proof of a member of staff is `STAFF_PROOF`, or `Authorization` where that does not name the caller.
    """
    sources = [("traceparent", "traceparent"), (STAFF_PROOF, "authorization")]
    if not isinstance(caller, Peer):
        sources.append(("Authorization", "authorization"))
    found = [(name, value) for header, name in sources for value in request.headers.getall(header, ())]
    for name, value in found:
        if not value.isascii():
            raise invalid(name, "is no ASCII", "不是ASCII编码")
    return found


def _wait(request: web.Request) -> int:
    """The seconds of `Prefer: wait=`, without case; a preference that is not known is left out, as RFC 7240 has it."""
    preferred = ",".join(request.headers.getall("Prefer", ())).split(",")
    found = (_WAIT.fullmatch(each.partition(";")[0].strip()) for each in preferred)
    return next((int(each[1]) for each in found if each is not None), 0)


def _unquoted(said: str) -> str:
    found = _QUOTED.fullmatch(said)
    return found[1] if found is not None else said


async def _body(request: web.Request) -> bytes:
    """The body of a request. Raises Refused for another type than JSON in UTF-8, and for one that is too large."""
    charset = request.charset or "utf-8"
    said = _header(request, "Content-Encoding") or _header(request, "Content-Type")
    if (
        request.content_type not in types_of(request)
        or charset.lower() != "utf-8"
        or "Content-Encoding" in request.headers
    ):
        raise Refused(Reason.REASON_MEDIA_TYPE_UNSUPPORTED, media_type=said or "none")
    return await whole_body(request)


def _header(request: web.Request, name: str) -> str:
    """A header; empty without one. Raises Refused for two, and for bytes that are no UTF-8."""
    value, *others = request.headers.getall(name, ("",))
    if others:
        raise unsupported(name, "it stands twice", "重复出现")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise invalid(name, "is no UTF-8", "不是UTF-8编码") from None
    return value
