"""The frame around a page of a console, for the person who reads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.identity import Identity
from gateway.security.peers import Caller
from gateway.web.console.entries import entered
from gateway.web.console.fields import Fields
from gateway.web.console.frames import Frame, Kept, Link, Pages, RefusedPage, other_language, refusal_of
from gateway.web.console.pages import ACT, Shown, Tab, WebConsole
from gateway.web.console.sessions import Session
from gateway.wording.languages import translated
from gateway.wording.terms import region_name

SIGN_IN, SIGN_OUT, LANGUAGE = "/sign-in", "/sign-out", "/language"
"""Paths below that of the console."""
TO = "to"
"""The parameter with the address that follows."""
TOKEN, REQUEST_ID = "token", "request_id"
"""Hidden fields of each form."""
_NOT_ADMITTED = frozenset(
    {
        Reason.REASON_PERMISSION_DENIED,
        Reason.REASON_UNAUTHENTICATED,
        Reason.REASON_CERTIFICATE_EXPIRED,
        Reason.REASON_CERTIFICATE_REVOKED,
    }
)


@dataclass(frozen=True)
class Person:
    """A person who is signed in."""

    identity: Identity
    session: Session
    caller: Caller


@dataclass(frozen=True)
class Site:
    """Addresses of a console, and of the page itself; those of the files are below the console."""

    home: str
    style: str
    script: str
    icon: str
    here: str
    files: Sequence[Link]
    """The tables of the page, for programs."""


def framed(console: WebConsole, site: Site, shown: Shown, person: Person | None, refused: Sequence[Refused]) -> Frame:
    """The frame of a page. The notice of a session is taken: no other page shows it.

    Without a person nobody is signed in, and no tabs lead on.
    """
    root = console.root
    tabs = [] if person is None else [each for each in console.tabs if each.is_for(person.identity)]
    code, name = other_language()
    return Frame(
        brand=console.brand(),
        home=site.home,
        style=root + site.style,
        script=root + site.script,
        icon=root + site.icon,
        skip=translated("Skip to the content"),
        navigation=translated("Pages"),
        tabs=[Link(each.title(), root + each.path, _leads_to(each, shown.tab)) for each in tabs],
        pages=pages_beside(root, tabs, shown.tab),
        other_language=Link(name, f"{root}{LANGUAGE}/{code}?{TO}={quote(site.here, safe='')}"),
        language_code=code,
        person="" if person is None else person.identity.name,
        sign_out=Link(translated("Sign out"), root + SIGN_OUT),
        token="" if person is None else person.session.token,
        address=site.here,
        notice="" if person is None else person.session.take_notice(),
        refusals=[refusal_of(each) for each in as_entered(shown, refused)],
        files=site.files,
    )


def as_entered(shown: Shown, refused: Sequence[Refused]) -> Sequence[Refused]:
    """The refusals, that of a form with the label of its field."""
    if not refused:
        return ()
    return [each.refused for each in entered(shown.page) if each.refused is not None] or refused


def _leads_to(tab: Tab, path: str) -> bool:
    return path in (tab.path, *(each.path for each in tab.pages))


def pages_beside(root: str, tabs: Sequence[Tab], path: str) -> Pages:
    """The pages of the tab to which the page at a path belongs."""
    tab = next((each for each in tabs if _leads_to(each, path)), None)
    if tab is None:
        return Pages("")
    return Pages(tab.title(), [Link(each.title(), root + each.path, each.path == path) for each in tab.pages])


def page_outside(
    console: WebConsole, sign_in_to: str, refused: Sequence[Refused], kept: Kept | None, *, by_certificate: bool
) -> RefusedPage:
    """The refused page of somebody who is not signed in, which leads to the address `sign_in_to`.

    Signing in would refuse the same certificate again: its page says who gets in, and how.
    """
    if by_certificate and any(each.reason in _NOT_ADMITTED for each in refused):
        return RefusedPage(None, kept, _way_in(console))
    return RefusedPage(Link(translated("Sign in"), sign_in_to), kept)


def _way_in(console: WebConsole) -> Sequence[str]:
    """Sentences for people whose certificate is not admitted: whose is, and how they come in."""
    if console.sign_in is not None:
        again = translated(
            "Close and reopen the browser, and choose your certificate, or none to sign in by your identity provider."
        )
    else:
        again = translated("If you have it, close the browser, open it again, and choose that certificate.")
    if not console.region:
        who = translated("Administrators get in here, by a certificate of their own.")
        ask = translated("If you have none, ask those who issue the certificates of administrators.")
    else:
        region = region_name(console.region)
        who = translated("Staff of {region} get in here, by a certificate of their own.", region=region)
        ask = translated("If you have none, ask those who issue the certificates of {region}.", region=region)
    return [who, again, ask]


def kept_form(form: Fields, person: Person | None, to: str, sign_in_to: str, *, by_certificate: bool) -> Kept:
    """A form to be sent to its page again; by way of signing in where there is no session, by a certificate or not."""
    fields = [(name, text) for name, text in form.pairs() if name != TOKEN]
    entered = [text for name, text in fields if name not in (ACT, REQUEST_ID) and text]
    heading = translated("What you entered")
    if person is not None:
        return Kept(heading, to, [*fields, (TOKEN, person.session.token)], entered, translated("Send again"))
    if by_certificate:
        return Kept(heading, sign_in_to, fields, entered, translated("Sign in and look at it again"))
    heading = translated("What you entered: sign in on another tab, then go on here")
    return Kept(heading, sign_in_to, fields, entered, translated("I am signed in: look at it again"))
