"""The cookies of a console. No script reads them, no other host has set them, and they come by HTTPS alone."""

import re
from urllib.parse import quote, unquote

from aiohttp import web

COOKIE = "__Host-crossregion"
LANGUAGE_COOKIE = "__Host-crossregion-language"
YEAR = 31_536_000
"""Seconds for which a browser keeps a choice of its person."""
_SIGN_IN = "__Host-crossregion-sign-in"
_LONGEST_PAGE = 2048  # characters: browsers keep no cookie of more than 4096
_WAY = re.compile(rf"([A-Za-z0-9_-]{{43}})\.(.{{0,{_LONGEST_PAGE}}})", re.ASCII)


def set_cookie(
    answer: web.Response, name: str, value: str, seconds: int | None = None, *, from_elsewhere: bool = False
) -> None:
    """Sets a cookie. No request that another site causes has it; `from_elsewhere`, a link of another site has it."""
    same_site = "Lax" if from_elsewhere else "Strict"
    answer.set_cookie(name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite=same_site)


def set_out(answer: web.Response, secret: str, to: str, seconds: int) -> None:
    """Notes the secret of a browser that sets out to its identity provider, and the page that it will come back to.

    A page with an address that is too long is not noted.
    """
    noted = quote(to, safe="")
    page = noted if len(noted) <= _LONGEST_PAGE else ""
    set_cookie(answer, _SIGN_IN, f"{secret}.{page}", seconds, from_elsewhere=True)


def come_back(request: web.Request) -> tuple[str, str]:
    """The secret and the page of a browser that has set out; both empty where it has not."""
    found = _WAY.fullmatch(request.cookies.get(_SIGN_IN, ""))
    return (found[1], unquote(found[2])) if found is not None else ("", "")


def forget_way(answer: web.Response) -> None:
    """Ends what `set_out` has noted."""
    set_cookie(answer, _SIGN_IN, "", 0, from_elsewhere=True)
