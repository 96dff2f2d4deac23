"""A console as a part of the HTTPS listener: who signs in, and how its pages and forms become RPCs."""

import hashlib
import secrets
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from http import HTTPStatus

from aiohttp import web
from google.protobuf.message import Message

from gateway.api.federation.v1.terms_pb2 import Terms
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid, is_temporary
from gateway.rpc.in_process import InProcess
from gateway.rpc.incidents import incident
from gateway.rpc.interceptor import BorderPorts
from gateway.security.identity import SCHEME, Identity, parse
from gateway.security.peers import Caller, without_certificate
from gateway.web.bodies import BYTES_OF_STRANGERS, Room
from gateway.web.console import assets, sign_in_page
from gateway.web.console.calling import CallingInProcess
from gateway.web.console.cookies import COOKIE, LANGUAGE_COOKIE, YEAR, come_back, forget_way, set_cookie, set_out
from gateway.web.console.exports import FORMAT, FORMATS, exported
from gateway.web.console.fields import Fields
from gateway.web.console.frames import Frame, Kept, Link, RefusedPage, title_of
from gateway.web.console.framing import (
    LANGUAGE,
    REQUEST_ID,
    SIGN_IN,
    SIGN_OUT,
    TO,
    TOKEN,
    Person,
    Site,
    framed,
    kept_form,
    page_outside,
)
from gateway.web.console.lists import chosen_word
from gateway.web.console.live import Feed, Streams, Watcher, without_session
from gateway.web.console.pages import (
    ACT,
    EVENTS,
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
from gateway.web.console.requests import SIGNED_IN, Addresses, form_of, language_of, require_own_origin, see
from gateway.web.console.saved_filters import SAVED, cookie_of, filters_in, saved
from gateway.web.console.sessions import NO_CERTIFICATE, Sessions
from gateway.web.console.sign_in import LONGEST_WAY, SignedInElsewhere
from gateway.web.console.uploads import FILE, UPLOAD_TYPE, Uploads
from gateway.web.html_pages import HtmlPages
from gateway.web.refusals import http_status, told_headers
from gateway.web.server import READING, Handler, admitted_reader, certificates_of
from gateway.wording.languages import LANGUAGES, current_language, translated
from gateway.wording.times import in_shown_zone

NAME = "Console"
"""The name of a console among the pages of a process."""
_ID_BYTES = 16  # of randomness in a request id
_SECRET_BYTES = 32  # of randomness in the secret of a browser that sets out to its identity provider
_NOTHING = Fields({})
_WITHOUT_SESSION = frozenset({Reason.REASON_SESSION_MISSING, Reason.REASON_SESSION_FOREIGN})
_PERSON = web.RequestKey("crossregion.person", Person)
_FORM = web.RequestKey("crossregion.form", Fields)
"""The form of this site that came with a request, until it is done."""


class ConsoleApplication:
    """The pages of a console, served below its path."""

    def __init__(self, console: WebConsole, calls: InProcess, border: BorderPorts) -> None:
        self._console = console
        self._calls = calls
        self._border = border
        self._sessions = Sessions(console.steady)
        self._streams = Streams()
        self._room = Room(BYTES_OF_STRANGERS)  # for forms of people whom neither a certificate nor a session names
        self._pages = HtmlPages(console.templates, assets.FRAMES)
        self._addresses = Addresses(console.root, console.root + console.tabs[0].path)
        self._uploads = Uploads()
        self._names: Terms | None = None
        """The names of the federation as last read."""
        self._style, self._script, self._icon = assets.style(self._pages), assets.script(), assets.icon()

    def served(self) -> web.Application:
        """The console as a part of a server."""
        served, views = web.Application(middlewares=[self._telling]), self._console.views
        routes: list[tuple[str, str, Handler]] = [
            *(("GET", path, self.lead_home) for path in ("", "/")),
            ("GET", SIGN_IN, self._show_sign_in),
            ("POST", SIGN_IN, self._sign_in),
            *([("GET", SIGNED_IN, self._come_back)] if self._console.sign_in is not None else []),
            ("POST", SIGN_OUT, self._sign_out),
            ("GET", f"{LANGUAGE}/{{language:{'|'.join(LANGUAGES)}}}", self._choose_language),
            *((verb, each.path, each.show) for each in (self._style, self._script, self._icon) for verb in READING),
            *((verb, view.path, self._reading(view)) for view in views for verb in READING),
            *(("POST", view.path, self._sending(view)) for view in views if view.forms or view.takes),
            *(("*", view.path + SAVED, self._saving(view)) for view in views if view.saves_filters),
            *(("GET", view.path + EVENTS, self._following(view, view.live)) for view in views if view.live),
        ]
        for verb, path, handler in routes:
            served.router.add_route(verb, path, handler)
        served.on_shutdown.append(self._streams.stop)
        return served

    async def lead_home(self, _: web.Request) -> web.StreamResponse:
        """Leads a browser to the first page."""
        return see(self._addresses.home)

    def told_malformed(self, request: web.BaseRequest, refused: Refused) -> web.Response:
        """A page for somebody who is not signed in, in place of what is no request of HTTP."""
        status = http_status(refused.reason)

        def show() -> Shown:
            home = Link(self._console.tabs[0].title(), self._addresses.home)
            return Shown("console_refused.html.j2", title_of(status), RefusedPage(home, None))

        return self._written(request, show, self._console.at_hand(), status, refused=[refused])

    async def _reader_of(self, caller: Caller) -> Identity:
        """A person who may sign in. Raises Refused for all others."""
        peer = await admitted_reader(self._border, caller, self._console.roles, self._console.root, NAME)
        return peer.identity

    async def _visitor(self, request: web.Request) -> tuple[Identity | None, bytes]:
        """The person of the connection, and the proof of it: the fingerprint of the certificate.

        Nobody, without a proof, where people may come without a certificate: a session names them. Raises Refused for
        others than those who may sign in.
        """
        certificates = certificates_of(request)
        if not certificates and self._console.sign_in is not None:
            return None, NO_CERTIFICATE
        identity = await self._reader_of(certificates)
        return identity, hashlib.sha256(b"".join(certificates["x509_pem_cert"])).digest()

    async def _signed_in(self, request: web.Request, *, is_use: bool = True) -> Person:
        """The person of the connection in a session, which this request is a use of, unless it only watches.

        Raises Refused as `_visitor` and `Sessions.require`, with an audit row for a session in other hands.
        """
        identity, proof = await self._visitor(request)
        path = None if identity is None else identity.path
        try:
            session = self._sessions.require(request.cookies.get(COOKIE, ""), path, proof, is_use=is_use)
        except Refused as refused:
            if identity is not None and refused.reason == Reason.REASON_SESSION_FOREIGN:
                await self._border.denied(identity, self._console.root, refused)
            raise
        caller: Caller = certificates_of(request)
        if identity is None:
            federation = self._border.federation
            caller = without_certificate(parse(f"{SCHEME}{federation}/{session.person}", federation))
            identity = await self._reader_of(caller)
        request[_PERSON] = person = Person(identity, session, caller)
        return person

    async def _show_sign_in(self, request: web.Request) -> web.StreamResponse:
        identity, _ = await self._visitor(request)
        to = self._addresses.within(request.query.get(TO, ""))
        if identity is None:
            return await self._set_out(request, to)
        page = partial(sign_in_page.by_certificate, identity.name, self._console.region, self._addresses.sign_in(to))
        return self._written(request, page, await self._known_terms(request))

    async def _set_out(self, request: web.Request, to: str) -> web.StreamResponse:
        """The page that leads to the identity provider. A browser with several such pages has one secret for them."""
        assert self._console.sign_in is not None
        secret = come_back(request)[0] or secrets.token_urlsafe(_SECRET_BYTES)
        address = self._console.sign_in.address(secret, self._addresses.came_back(request))
        page = partial(sign_in_page.by_provider, self._console.region, address)
        answer = self._written(request, page, await self._known_terms(request))
        set_out(answer, secret, to, LONGEST_WAY)
        return answer

    async def _come_back(self, request: web.Request) -> web.StreamResponse:
        """Begins the session of a person who comes from the identity provider.

        The page leads on by itself. A redirect would lead on in the name of the other site, without the cookie.
        """
        assert self._console.sign_in is not None
        secret, to = come_back(request)
        query = Fields.parsed(request.rel_url.raw_query_string)
        came = SignedInElsewhere(query, secret, self._addresses.came_back(request))
        identity = await self._console.sign_in.person(came, self._border.clock.now())
        await self._reader_of(without_certificate(identity))
        begun, to = self._sessions.begin(identity.path, NO_CERTIFICATE), self._addresses.within(to)
        page = partial(sign_in_page.back_from_provider, identity.name, self._console.region, to)
        answer = self._written(request, page, await self._known_terms(request))
        answer.headers["Refresh"] = f"0; url={to}"
        forget_way(answer)
        set_cookie(answer, COOKIE, begun)
        return answer

    async def _asking_again(self, request: web.Request, to: str, form: Fields, person: Person) -> web.Response:
        """The page that has the form of a person who was not signed in."""

        def show() -> Shown:
            kept = self._kept(request, to, form, person)
            page = RefusedPage(Link(self._console.tabs[0].title(), self._addresses.home), kept)
            return Shown("console_refused.html.j2", translated("Signed in: nothing is sent yet"), page)

        return self._written(request, show, await self._known_terms(request), person=person)

    async def _sign_in(self, request: web.Request) -> web.StreamResponse:
        """Begins a session; one in force goes on: a link from elsewhere comes without its cookie, and leads here.

        A form that had no session is shown with the new one, to be sent again.
        """
        form = await self._own_form(request)
        to, begun = self._addresses.within(request.query.get(TO, "")), ""
        try:
            person = await self._signed_in(request)
        except Refused as refused:
            if refused.reason not in _WITHOUT_SESSION:
                raise
            identity, proof = await self._visitor(request)
            if identity is None:
                request[_FORM] = form
                return await self._refused(request, [refused], http_status(refused.reason), to)
            begun = self._sessions.begin(identity.path, proof)
            session = self._sessions.require(begun, identity.path, proof)
            person = Person(identity, session, certificates_of(request))
        answer = see(to)
        if form.pairs():
            answer = await self._asking_again(request, to, form, person)
        if begun:
            set_cookie(answer, COOKIE, begun)
        return answer

    async def _sign_out(self, request: web.Request) -> web.StreamResponse:
        form = await self._own_form(request)
        session = (await self._signed_in(request)).session
        session.require_token(form.text(TOKEN))
        self._sessions.end(request.cookies.get(COOKIE, ""))
        answer = see(self._console.root + SIGN_IN)
        set_cookie(answer, COOKIE, "", 0)
        return answer

    async def _choose_language(self, request: web.Request) -> web.StreamResponse:
        await self._visitor(request)
        answer = see(self._addresses.within(request.query.get(TO, "")))
        set_cookie(answer, LANGUAGE_COOKIE, request.match_info["language"], YEAR)
        return answer

    async def _own_form(self, request: web.Request) -> Fields:
        """The form of a page of this site, which a person who may sign in has sent. Raises Refused for another one."""
        require_own_origin(request)
        identity, _ = await self._visitor(request)
        is_stranger = identity is None and not self._sessions.has(request.cookies.get(COOKIE, ""))
        return await form_of(request, self._room if is_stranger else None)

    def _reading(self, view: View) -> Handler:
        async def read(request: web.Request) -> web.StreamResponse:
            person = await self._signed_in(request)
            return await self._viewed(request, view, self._visit(request, view, person), person)

        return read

    def _sending(self, view: View) -> Handler:
        forms = {form.act: form for form in view.forms}

        async def send(request: web.Request) -> web.StreamResponse:
            if view.takes is not None and request.content_type == UPLOAD_TYPE:
                return await self._keep(request, view, view.takes)
            form = request[_FORM] = await self._own_form(request)
            person = await self._signed_in(request)
            visit = replace(self._visit(request, view, person), form=form)
            person.session.require_token(visit.form.text(TOKEN))
            known = forms.get(act := visit.form.text(ACT))
            if known is None:
                raise invalid(ACT, "names no form of this page", "不是本页面的表单")
            visit = replace(visit, request_id=visit.form.text(REQUEST_ID))
            try:
                person.session.notice, to = await self._done(request, known, visit)
            except Refused as refused:
                visit = replace(visit, refused=refused)
                # A repetition is done once by its id. A request with other words needs another id.
                if not is_temporary(refused.reason):
                    visit = replace(visit, request_id="")
                    request[_FORM] = form.replaced(**{REQUEST_ID: visit.id_for(act)})
                return await self._viewed(request, view, visit, person, refused)
            return see(to)

        return send

    async def _keep(self, request: web.Request, view: View, rpc: Rpc[Message]) -> web.StreamResponse:
        """Keeps the file of a form for its session, and leads to the page that shows it."""
        require_own_origin(request)
        person = await self._signed_in(request)
        try:
            file = await self._uploads.take(request, person.session, self._border.access.largest_request(rpc.path))
        except Refused as refused:
            return await self._viewed(request, view, self._visit(request, view, person), person, refused)
        return see(f"{self._console.root}{view.path}?{FILE}={self._sessions.keep(person.session, file)}")

    def _saving(self, view: View) -> Handler:
        """Saves or deletes a filter of a page in the browser, and leads back to the page."""

        async def save(request: web.Request) -> web.StreamResponse:
            if request.method != "POST":  # the link of a refusal, which leads back to where the form was sent
                await self._visitor(request)
                return see(self._console.root + view.path)
            form = await self._own_form(request)
            person = await self._signed_in(request)
            person.session.require_token(form.text(TOKEN))
            return saved(request, form, cookie_of(person.identity.path, view.path), self._console.root, view)

        return save

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
            watcher = Watcher(path, language_of(request), request.path_qs, visit, calling, is_open)
            return await self._streams.follow(request, feed, watcher)

        return follow

    async def _done(self, request: web.Request, form: Form, visit: Visit) -> tuple[str, str]:
        """Calls the RPC of a form, and returns the text for the next page, and its address."""
        visit.form.require_known([TOKEN, ACT, REQUEST_ID, *form.fields], form.prefixes)
        terms = await self.terms(request)  # times are entered in the zone of the region
        with self._reader(request, terms):
            message = form.request(visit)
        answer = await self._calling(request, [form.rpc]).ask(form.rpc, message)
        with self._reader(request, terms):
            told = form.done(visit, answer)
        return told, self._addresses.here(request) if form.then is None else form.then(visit, answer)

    async def _viewed(
        self, request: web.Request, view: View, visit: Visit, person: Person, refused: Refused | None = None
    ) -> web.StreamResponse:
        """A page; with what became of its form, where it was refused. A page that cannot be shown keeps the form."""
        status = HTTPStatus.OK if refused is None else http_status(refused.reason)
        told = [] if refused is None else [refused]
        try:
            visit.query.require_known([*view.query, FORMAT])
            form = chosen_word(visit, FORMAT, FORMATS)
            terms = await self.terms(request)
            with self._reader(request, terms):
                visit = replace(visit, now=in_shown_zone(visit.now))
            data = await view.read(visit, self._calling(request, view.rpcs))
            if form and refused is None:
                with self._reader(request, terms):
                    return exported(view.show(visit, data), form)
            return self._written(request, lambda: view.show(visit, data), terms, status, person, told)
        except Refused as unread:
            if refused is None:
                raise
            return await self._refused(request, [refused, unread], status)

    def _visit(self, request: web.Request, view: View, person: Person) -> Visit:
        query = Fields.parsed(request.rel_url.raw_query_string)
        return Visit(
            root=self._console.root,
            names=dict(request.match_info),
            query=query,
            form=_NOTHING,
            person=person.identity,
            now=self._console.now(),
            request_id="",
            drawn=secrets.token_hex(_ID_BYTES),
            filters=filters_in(request.cookies.get(cookie_of(person.identity.path, view.path), "")),
            file=person.session.file_of(query.text(FILE)) if view.takes is not None else None,
        )

    def _calling(self, request: web.Request, rpcs: Collection[Rpc[Message]]) -> Calling:
        person: Person | None = request.get(_PERSON)
        return CallingInProcess(self._calls, certificates_of(request) if person is None else person.caller, rpcs)

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
        """As `terms`, for pages that tell no times; those at hand where there are none. For nobody, nothing is read."""
        if request.get(_PERSON) is None and not certificates_of(request):
            return self._names or self._console.at_hand()
        found = await unless_refused(self.terms(request))
        return self._console.at_hand() if isinstance(found, Refused) else found

    def _reader(self, request: web.BaseRequest, terms: Terms) -> AbstractContextManager[None]:
        """Writes in the language of the person."""
        return self._console.reader(language_of(request), terms)

    def _written(
        self,
        request: web.BaseRequest,
        show: Callable[[], Shown],
        terms: Terms,
        status: HTTPStatus = HTTPStatus.OK,
        person: Person | None = None,
        refused: Sequence[Refused] = (),
    ) -> web.Response:
        """A page in the language of the person; without a person it is one for somebody who is not signed in."""
        with self._reader(request, terms):
            shown = show()
            frame = self._frame(request, shown, person, refused)
            html = self._pages.written(shown.template, shown.title, current_language(), shown.page, frame)
        headers = told_headers(refused[0]) if refused else {}
        return web.Response(text=html, status=status, content_type="text/html", headers=headers)

    def _frame(self, request: web.BaseRequest, page: Shown, person: Person | None, refused: Sequence[Refused]) -> Frame:
        site = Site(
            home=self._addresses.home,
            style=self._style.path,
            script=self._script.path,
            icon=self._icon.path,
            here=self._addresses.here(request),
            files=[Link(each.upper(), self._addresses.file(request, each)) for each in FORMATS if page.tables],
        )
        return framed(self._console, site, page, person, refused)

    @web.middleware
    async def _telling(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Shows each refusal as a page. Who is not signed in is led to where that is done, and back."""
        status: int | None = None
        allowed = ""
        try:
            if not (request.raw_path.isascii() and request.path_qs.isascii()):
                await self._visitor(request)
                raise invalid("path", "is not in ASCII", "含有非ASCII字符")
            return await handler(request)
        except Refused as error:
            refused = error
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as error:
            refused, status = await self._unknown(request, error.status)
            allowed = error.headers.get("Allow", "")
        except web.HTTPException:
            raise
        except Exception as error:  # noqa: BLE001 - a defect: logged, and shown by its number
            refused = incident(self._console.root, error)
        if refused.reason == Reason.REASON_SESSION_MISSING and request.method in READING:
            return without_session(request, self._addresses.sign_in(self._addresses.here(request)))
        answer = await self._refused(request, [refused], HTTPStatus(status or http_status(refused.reason)))
        if status is not None and allowed:
            answer.headers["Allow"] = allowed
        return answer

    async def _unknown(self, request: web.Request, status: int) -> tuple[Refused, int | None]:
        """The refusal of a page that is none; of its reader first, so that strangers learn nothing of it."""
        try:
            await self._signed_in(request)
        except Refused as refused:
            return refused, None
        return Refused(Reason.REASON_METHOD_UNKNOWN, method=f"{request.method} {request.path}"), status

    async def _refused(
        self, request: web.Request, refused: Sequence[Refused], status: HTTPStatus, to: str = ""
    ) -> web.Response:
        """A page in place of the one that was asked for, with the form that came, which is for the page at `to`."""
        person: Person | None = request.get(_PERSON)
        form: Fields | None = request.get(_FORM)
        here = to or self._addresses.here(request)

        def show() -> Shown:
            kept = None if form is None else self._kept(request, here, form, person)
            if person is not None:
                page = RefusedPage(Link(self._console.tabs[0].title(), self._addresses.home), kept)
            else:
                to, has_certificate = self._addresses.sign_in(here), bool(certificates_of(request))
                page = page_outside(self._console, to, refused, kept, by_certificate=has_certificate)
            return Shown("console_refused.html.j2", title_of(status), page)

        terms = self._console.at_hand() if person is None else await self._known_terms(request)
        return self._written(request, show, terms, status, person, refused)

    def _kept(self, request: web.Request, to: str, form: Fields, person: Person | None) -> Kept:
        return kept_form(form, person, to, self._addresses.sign_in(to), by_certificate=bool(certificates_of(request)))
