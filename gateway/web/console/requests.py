"""The requests of browsers at a console: language, origin and form; and the answer that leads them on."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote, urlsplit

from aiohttp import web

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.rpc.request_streams import PATIENCE
from gateway.web.bodies import Room, whole_body
from gateway.web.console.cookies import LANGUAGE_COOKIE
from gateway.web.console.exports import FORMAT
from gateway.web.console.fields import FORM_TYPE, Fields
from gateway.web.console.framing import SIGN_IN, TO
from gateway.web.refusals import CHINESE, preferred_language
from gateway.wording.languages import LANGUAGES

SIGNED_IN = "/signed-in"
"""The path below that of the console at which people come back from their identity provider."""


@dataclass(frozen=True)
class Addresses:
    """The addresses of a console."""

    root: str
    home: str
    """The path of its first page."""

    def within(self, to: str) -> str:
        """An address within the console; its home for any other one, and for a way, whose answer counts once."""
        return to if is_below(self.root, to, but=self.root + SIGNED_IN) else self.home

    def here(self, request: web.BaseRequest) -> str:
        """The address of the page itself."""
        return self.within(request.path_qs)

    def file(self, request: web.BaseRequest, form: str) -> str:
        """The address of the tables of the page as a file."""
        return self.within(str(request.rel_url.update_query({FORMAT: form})))

    def sign_in(self, to: str) -> str:
        """The address that signs in and leads back."""
        return f"{self.root}{SIGN_IN}?{TO}={quote(to, safe='')}"

    def came_back(self, request: web.Request) -> str:
        """The address at which a browser comes back, as the identity provider has registered it."""
        return f"https://{request.host}{self.root}{SIGNED_IN}"


def see(to: str) -> web.Response:
    """Leads a browser to an address, which it then reads."""
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": to})


def is_below(root: str, to: str, but: str) -> bool:
    """Whether an address stands below the path `root`, at this site, and is not `but`."""
    if not (to.isascii() and to.isprintable()) or "\\" in to:
        return False
    try:
        parts = urlsplit(to)
    except ValueError:  # for example `//[`
        return False
    return not parts.scheme and not parts.netloc and parts.path.startswith(f"{root}/") and parts.path != but


def language_of(request: web.BaseRequest) -> str:
    """The chosen language, else the one that the browser prefers."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    return "zh" if preferred_language(request.headers.get("Accept-Language", "")) == CHINESE else "en"


def require_own_origin(request: web.Request) -> None:
    """Raises Refused with FORM_UNTRUSTED for a form of another site: browsers name the origin of every form."""
    if request.headers.get("Origin", "").lower() != f"https://{request.host}".lower():
        raise Refused(Reason.REASON_FORM_UNTRUSTED)


async def form_of(request: web.Request, room: Room | None = None) -> Fields:
    """The form of a request, which takes room as it comes.

    Raises Refused for another body, and with REQUEST_NOT_SENT for one that does not come.
    """
    if request.content_type != FORM_TYPE or "Content-Encoding" in request.headers:
        raise invalid("body", f"is no {FORM_TYPE}", f"不是{FORM_TYPE}")
    try:
        async with asyncio.timeout(PATIENCE):
            data = await whole_body(request, room)
    except TimeoutError:
        raise Refused(Reason.REASON_REQUEST_NOT_SENT, seconds=f"{PATIENCE:.0f}") from None
    if not data.isascii():
        raise invalid("body", f"is no {FORM_TYPE}", f"不是{FORM_TYPE}")
    return Fields.parsed(data.decode("ascii"))
