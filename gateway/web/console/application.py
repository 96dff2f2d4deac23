"""A console as a part of the HTTPS listener: who signs in, and how its pages and forms become RPCs."""

import hashlib
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import cast
from urllib.parse import quote, urlsplit

from aiohttp import web
from google.protobuf.message import Message

from gateway.api.federation.v1.terms_pb2 import Terms
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid, is_temporary
from gateway.rpc.in_process import Arrival, InProcess
from gateway.rpc.incidents import incident
from gateway.rpc.interceptor import BorderPorts
from gateway.security.identity import Identity
from gateway.web.console import assets
from gateway.web.console.exports import FORMAT, FORMATS, exported
from gateway.web.console.fields import Fields
from gateway.web.console.frames import Frame, Kept, Link, RefusedPage, SignIn, other_language, refusal_of, title_of
from gateway.web.console.lists import chosen_word
from gateway.web.console.live import Feed, Streams, Watcher
from gateway.web.console.own_forms import form_of, require_own_origin
from gateway.web.console.pages import (
    ACT,
    EVENTS,
    A,
    Calling,
    Form,
    Live,
    Rpc,
    Shown,
    View,
    Visit,
    WebConsole,
    unless_refused,
)
from gateway.web.console.sessions import Session, Sessions
from gateway.web.html_pages import HtmlPages
from gateway.web.refusals import CHINESE, http_status, preferred_language, told_headers
from gateway.web.server import Handler, admitted_reader, certificates_of
from gateway.wording.languages import LANGUAGES, current_language, translated

COOKIE = "__Host-crossregion"
LANGUAGE_COOKIE = "__Host-crossregion-language"
NAME = "Console"
"""The name of a console among the pages of a process."""
_SIGN_IN, _SIGN_OUT, _LANGUAGE = "/sign-in", "/sign-out", "/language"
_TOKEN, _REQUEST_ID, _TO = "token", "request_id", "to"
_SECONDS = 20.0  # of each RPC: a form waits for another region at most so long
_YEAR = 31_536_000
_ID_BYTES = 16  # of randomness in a request id
_NOTHING = Fields({})
_WITHOUT_SESSION = frozenset({Reason.REASON_SESSION_MISSING, Reason.REASON_SESSION_FOREIGN})


@dataclass(frozen=True)
class _Person:
    """A person who is signed in."""

    identity: Identity
    session: Session


_PERSON = web.RequestKey("crossregion.person", _Person)
_FORM = web.RequestKey("crossregion.form", Fields)
"""The form of this site that came with a request, until it is done."""


class _InProcess(Calling):
    """The RPCs of one page, in the name of the certificates of a connection."""

    def __init__(
        self, calls: InProcess, certificates: Mapping[str, Collection[bytes]], rpcs: Collection[Rpc[Message]]
    ) -> None:
        self._calls = calls
        self._certificates = certificates
        self._rpcs = rpcs

    async def ask(self, rpc: Rpc[A], request: Message) -> A:
        """See `Calling`."""
        assert rpc in self._rpcs, f"the page does not name {rpc.path}"

        async def read() -> Message:
            return request

        return cast("A", await self._calls.call(rpc.path, Arrival(self._certificates, (), _SECONDS, read)))


class ConsoleApplication:
    """The pages of a console, served below its path."""

    def __init__(self, console: WebConsole, calls: InProcess, border: BorderPorts) -> None:
        self._console = console
        self._calls = calls
        self._border = border
        self._sessions = Sessions(console.steady)
        self._streams = Streams()
        self._pages = HtmlPages(console.templates, assets.FRAMES)
        self._names: Terms | None = None
        """The names of the federation as last read."""
        self._style, self._script = assets.style(self._pages), assets.script()

    def served(self) -> web.Application:
        """The console as a part of a server."""
        served = web.Application(middlewares=[self._telling])
        routes: list[tuple[str, str, Handler]] = [
            ("GET", "", self._home),
            ("GET", "/", self._home),
            ("GET", _SIGN_IN, self._show_sign_in),
            ("POST", _SIGN_IN, self._sign_in),
            ("POST", _SIGN_OUT, self._sign_out),
            ("GET", f"{_LANGUAGE}/{{language:{'|'.join(LANGUAGES)}}}", self._choose_language),
            *(("GET", each.path, each.show) for each in (self._style, self._script)),
            *(("GET", view.path, self._reading(view)) for view in self._console.views),
            *(("POST", view.path, self._sending(view)) for view in self._console.views if view.forms),
            *(
                ("GET", each.path + EVENTS, self._following(each, each.live))
                for each in self._console.views
                if each.live
            ),
        ]
        for verb, path, handler in routes:
            served.router.add_route(verb, path, handler)
        served.on_shutdown.append(self._streams.stop)
        return served

    async def _home(self, _: web.Request) -> web.StreamResponse:
        return _see(self._home_path)

    @property
    def _home_path(self) -> str:
        return self._console.root + self._console.tabs[0].path

    async def _admitted(self, request: web.Request) -> tuple[Identity, bytes]:
        """The person of the connection, and the proof of it: the fingerprint of the certificate.

        Raises Refused for others than those who may sign in.
        """
        certificates = certificates_of(request)
        peer = await admitted_reader(self._border, certificates, self._console.roles, self._console.root, NAME)
        return peer.identity, hashlib.sha256(b"".join(certificates["x509_pem_cert"])).digest()

    async def _signed_in(self, request: web.Request, *, is_use: bool = True) -> _Person:
        """The person of the connection in a session, which this request is a use of, unless it only watches.

        Raises Refused as `_admitted` and `Sessions.require`, with an audit row for a session in other hands.
        """
        identity, proof = await self._admitted(request)
        try:
            session = self._sessions.require(request.cookies.get(COOKIE, ""), identity.path, proof, is_use=is_use)
        except Refused as refused:
            if refused.reason == Reason.REASON_SESSION_FOREIGN:
                await self._border.denied(identity, self._console.root, refused)
            raise
        request[_PERSON] = person = _Person(identity, session)
        return person

    async def _show_sign_in(self, request: web.Request) -> web.StreamResponse:
        identity, _ = await self._admitted(request)
        to = self._within(request.query.get(_TO, ""))

        def show() -> Shown:
            page = SignIn(
                person=identity.name,
                explanation=translated("Your certificate names you. Sign in to work as this person."),
                button=translated("Sign in"),
                action=self._sign_in_to(to),
            )
            return Shown("sign_in.html.j2", translated("Sign in"), page)

        return self._written(request, show, await self._known_terms(request))

    async def _asking_again(self, request: web.Request, to: str, form: Fields, person: _Person) -> web.Response:
        """The page that has the form of a person who was not signed in."""

        def show() -> Shown:
            page = RefusedPage(Link(self._console.tabs[0].title(), self._home_path), self._kept(to, form, person))
            return Shown("console_refused.html.j2", translated("Signed in: nothing is sent yet"), page)

        return self._written(request, show, await self._known_terms(request), person=person)

    def _sign_in_to(self, to: str) -> str:
        """The address that signs in and leads back."""
        return f"{self._console.root}{_SIGN_IN}?{_TO}={quote(to, safe='')}"

    async def _sign_in(self, request: web.Request) -> web.StreamResponse:
        """Begins a session; one in force goes on: a link from elsewhere comes without its cookie, and leads here.

        A form that had no session is shown with the new one, to be sent again.
        """
        form = await self._own_form(request)
        to, begun = self._within(request.query.get(_TO, "")), ""
        try:
            person = await self._signed_in(request)
        except Refused as refused:
            if refused.reason not in _WITHOUT_SESSION:
                raise
            identity, proof = await self._admitted(request)
            begun = self._sessions.begin(identity.path, proof)
            person = _Person(identity, self._sessions.require(begun, identity.path, proof))
        answer = _see(to)
        if form.pairs():
            answer = await self._asking_again(request, to, form, person)
        if begun:
            _set_cookie(answer, COOKIE, begun)
        return answer

    async def _sign_out(self, request: web.Request) -> web.StreamResponse:
        form = await self._own_form(request)
        session = (await self._signed_in(request)).session
        session.require_token(form.text(_TOKEN))
        self._sessions.end(request.cookies.get(COOKIE, ""))
        answer = _see(self._console.root + _SIGN_IN)
        _set_cookie(answer, COOKIE, "", 0)
        return answer

    async def _choose_language(self, request: web.Request) -> web.StreamResponse:
        await self._admitted(request)
        answer = _see(self._within(request.query.get(_TO, "")))
        _set_cookie(answer, LANGUAGE_COOKIE, request.match_info["language"], _YEAR)
        return answer

    async def _own_form(self, request: web.Request) -> Fields:
        """The form of a page of this site, which a person who may sign in has sent. Raises Refused for another one."""
        require_own_origin(request)
        await self._admitted(request)
        return await form_of(request)

    def _within(self, to: str) -> str:
        """An address within the console; its home for any other one."""
        if not (to.isascii() and to.isprintable()) or "\\" in to:
            return self._home_path
        try:
            parts = urlsplit(to)
        except ValueError:  # for example `//[`
            return self._home_path
        is_own = not parts.scheme and not parts.netloc and parts.path.startswith(f"{self._console.root}/")
        return to if is_own else self._home_path

    def _here(self, request: web.Request) -> str:
        """The address of the page itself."""
        return self._within(request.path_qs)

    def _file(self, request: web.Request, form: str) -> str:
        """The address of the tables of the page as a file."""
        return self._within(str(request.rel_url.update_query({FORMAT: form})))

    def _reading(self, view: View) -> Handler:
        async def read(request: web.Request) -> web.StreamResponse:
            person = await self._signed_in(request)
            return await self._viewed(request, view, self._visit(request, view, person), person)

        return read

    def _sending(self, view: View) -> Handler:
        forms = {form.act: form for form in view.forms}

        async def send(request: web.Request) -> web.StreamResponse:
            form = request[_FORM] = await self._own_form(request)
            person = await self._signed_in(request)
            visit = replace(self._visit(request, view, person), form=form)
            person.session.require_token(visit.form.text(_TOKEN))
            known = forms.get(act := visit.form.text(ACT))
            if known is None:
                raise invalid(ACT, "names no form of this page", "不是本页面的表单")
            visit = replace(visit, request_id=visit.form.text(_REQUEST_ID))
            try:
                person.session.notice = await self._done(request, known, visit)
            except Refused as refused:
                # A repetition is done once by its id. A request with other words needs another id.
                if not is_temporary(refused.reason):
                    visit = replace(visit, request_id="")
                    request[_FORM] = form.replaced(**{_REQUEST_ID: visit.id_for(act)})
                return await self._viewed(request, view, visit, person, refused)
            return _see(self._here(request))

        return send

    def _following(self, view: View, live: Live) -> Handler:
        feed = Feed(self._console, view, live, self._pages)
        rpcs = [*view.rpcs, self._console.terms_rpc]

        async def follow(request: web.Request) -> web.StreamResponse:
            person = await self._signed_in(request, is_use=False)
            visit = self._visit(request, view, person)
            visit.query.require_known(view.query)

            async def is_open() -> bool:
                return not isinstance(await unless_refused(self._signed_in(request, is_use=False)), Refused)

            calling, path = self._calling(request, rpcs), person.identity.path
            watcher = Watcher(path, _language(request), request.path_qs, visit, calling, is_open)
            return await self._streams.follow(request, feed, watcher)

        return follow

    async def _done(self, request: web.Request, form: Form, visit: Visit) -> str:
        """Calls the RPC of a form, and returns the text for the next page."""
        visit.form.require_known([_TOKEN, ACT, _REQUEST_ID, *form.fields])
        terms = await self.terms(request)  # times are entered in the zone of the region
        with self._reader(request, terms):
            message = form.request(visit)
        answer = await self._calling(request, [form.rpc]).ask(form.rpc, message)
        with self._reader(request, terms):
            return form.done(visit, answer)

    async def _viewed(
        self, request: web.Request, view: View, visit: Visit, person: _Person, refused: Refused | None = None
    ) -> web.StreamResponse:
        """A page; with what became of its form, where it was refused. A page that cannot be shown keeps the form."""
        status = HTTPStatus.OK if refused is None else http_status(refused.reason)
        told = [] if refused is None else [refused]
        try:
            visit.query.require_known([*view.query, FORMAT])
            form = chosen_word(visit, FORMAT, FORMATS)
            data = await view.read(visit, self._calling(request, view.rpcs))
            if form and refused is None:
                with self._reader(request, await self.terms(request)):
                    return exported(view.show(visit, data), form)
            return self._written(
                request, lambda: view.show(visit, data), await self.terms(request), status, person, told
            )
        except Refused as unread:
            if refused is None:
                raise
            return await self._refused(request, [refused, unread], status)

    def _visit(self, request: web.Request, view: View, person: _Person) -> Visit:
        return Visit(
            root=self._console.root,
            names=dict(request.match_info),
            query=Fields.parsed(request.rel_url.raw_query_string),
            form=_NOTHING,
            person=person.identity,
            now=self._console.now(),
            request_id="",
            drawn=secrets.token_hex(_ID_BYTES),
        )

    def _calling(self, request: web.Request, rpcs: Collection[Rpc[Message]]) -> Calling:
        return _InProcess(self._calls, certificates_of(request), rpcs)

    async def terms(self, request: web.Request) -> Terms:
        """The names of the federation; those read before where they cannot be read now.

        Raises Refused where there are none: a page without zones and names would tell wrong times, and offer nothing.
        """
        calling = self._calling(request, [self._console.terms_rpc])
        found = await unless_refused(self._console.terms(calling))
        if not isinstance(found, Refused):
            self._names = found
        elif self._names is None:
            raise found
        return self._names

    async def _known_terms(self, request: web.Request) -> Terms:
        """As `terms`, for pages that tell no times; none where there are none."""
        found = await unless_refused(self.terms(request))
        return Terms() if isinstance(found, Refused) else found

    def _reader(self, request: web.Request, terms: Terms) -> AbstractContextManager[None]:
        """Writes in the language of the person."""
        return self._console.reader(_language(request), terms)

    def _written(
        self,
        request: web.Request,
        show: Callable[[], Shown],
        terms: Terms,
        status: HTTPStatus = HTTPStatus.OK,
        person: _Person | None = None,
        refused: Sequence[Refused] = (),
    ) -> web.Response:
        """A page in the language of the person; without a person it is one for somebody who is not signed in."""
        with self._reader(request, terms):
            shown = show()
            frame = self._frame(request, shown, person, refused)
            html = self._pages.written(shown.template, shown.title, current_language(), shown.page, frame)
        headers = told_headers(refused[0].reason) if refused else {}
        return web.Response(text=html, status=status, content_type="text/html", headers=headers)

    def _frame(self, request: web.Request, shown: Shown, person: _Person | None, refused: Sequence[Refused]) -> Frame:
        root, tabs = self._console.root, () if person is None else self._console.tabs
        code, name = other_language()
        return Frame(
            brand=self._console.brand(),
            home=self._home_path,
            style=root + self._style.path,
            script=root + self._script.path,
            skip=translated("Skip to the content"),
            navigation=translated("Pages"),
            tabs=[Link(each.title(), root + each.path, each.path == shown.tab) for each in tabs],
            other_language=Link(name, f"{root}{_LANGUAGE}/{code}?{_TO}={quote(self._here(request), safe='')}"),
            language_code=code,
            person="" if person is None else person.identity.name,
            sign_out=Link(translated("Sign out"), root + _SIGN_OUT),
            token="" if person is None else person.session.token,
            notice="" if person is None else person.session.take_notice(),
            refusals=[refusal_of(each) for each in refused],
            files=[Link(each.upper(), self._file(request, each)) for each in FORMATS if shown.tables],
        )

    @web.middleware
    async def _telling(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Shows each refusal as a page. Who is not signed in is led to where that is done, and back."""
        status: int | None = None
        try:
            if not (request.raw_path.isascii() and request.path_qs.isascii()):
                await self._admitted(request)
                raise invalid("path", "is not in ASCII", "含有非ASCII字符")
            return await handler(request)
        except Refused as error:
            refused = error
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as error:
            refused, status = await self._unknown(request, error.status)
        except web.HTTPException:
            raise
        except Exception as error:  # noqa: BLE001 - a defect: logged, and shown by its number
            refused = incident(self._console.root, error)
        if refused.reason == Reason.REASON_SESSION_MISSING and request.method == "GET":
            return _see(self._sign_in_to(self._here(request)))
        return await self._refused(request, [refused], HTTPStatus(status or http_status(refused.reason)))

    async def _unknown(self, request: web.Request, status: int) -> tuple[Refused, int | None]:
        """The refusal of a page that is none; of its reader first, so that strangers learn nothing of it."""
        try:
            await self._signed_in(request)
        except Refused as refused:
            return refused, None
        return Refused(Reason.REASON_METHOD_UNKNOWN, method=f"{request.method} {request.path}"), status

    async def _refused(self, request: web.Request, refused: Sequence[Refused], status: HTTPStatus) -> web.Response:
        """A page in place of the one that was asked for, with the form that came."""
        person: _Person | None = request.get(_PERSON)
        form: Fields | None = request.get(_FORM)
        here = self._here(request)

        def show() -> Shown:
            if person is None:
                way_on = Link(translated("Sign in"), self._sign_in_to(here))
            else:
                way_on = Link(self._console.tabs[0].title(), self._home_path)
            kept = None if form is None else self._kept(here, form, person)
            return Shown("console_refused.html.j2", title_of(status), RefusedPage(way_on, kept))

        terms = Terms() if person is None else await self._known_terms(request)
        return self._written(request, show, terms, status, person, refused)

    def _kept(self, to: str, form: Fields, person: _Person | None) -> Kept:
        """A form to be sent to its page again; by way of signing in where there is no session."""
        fields = [(name, text) for name, text in form.pairs() if name != _TOKEN]
        entered = [text for name, text in fields if name not in (ACT, _REQUEST_ID) and text]
        heading = translated("What you entered")
        if person is None:
            return Kept(heading, self._sign_in_to(to), fields, entered, translated("Sign in and look at it again"))
        return Kept(heading, to, [*fields, (_TOKEN, person.session.token)], entered, translated("Send again"))


def _see(to: str) -> web.Response:
    """Leads a browser to an address, which it then reads."""
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": to})


def _set_cookie(answer: web.Response, name: str, value: str, seconds: int | None = None) -> None:
    """A cookie that no script reads, no other origin sends, and no other host has set (the prefix `__Host-`)."""
    answer.set_cookie(name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="Strict")


def _language(request: web.Request) -> str:
    """The chosen language, else the one that the browser prefers."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    return "zh" if preferred_language(request.headers.get("Accept-Language", "")) == CHINESE else "en"
