"""Saved filters of a page: a filter is a query of its address, and has a name. The browser keeps them in a cookie.

Nothing rests on the cookie, so it has no signature. A filter leads to its own page alone, which checks its query.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from aiohttp import web

from gateway.errors import Refused, invalid
from gateway.values import base64url
from gateway.web.console.cookies import YEAR, set_cookie
from gateway.web.console.fields import Fields
from gateway.web.console.frames import Link
from gateway.web.console.framing import TOKEN
from gateway.web.console.pages import ACT, View, Visit
from gateway.web.console.parts import Choice, Option
from gateway.web.console.requests import see
from gateway.wording.languages import translated

SAVED = "/filters"
"""The end of the path to which a page sends its filters."""
_NAME, _QUERY = "name", "query"
_SAVE, _DELETE = "save", "delete"
_LONGEST = 40  # characters of a name
_COOKIES = "__Host-crossregion-filters-"
_LARGEST = 1_000  # characters of the cookie
_OTHERS = 3  # cookies of other people or pages in a browser: a request takes 8 KiB of all its cookies together


@dataclass(frozen=True)
class SavedFilters:
    """The filters of a page, and the forms to save and to delete one, as `saved_filters.html.j2` shows them."""

    heading: str
    links: Sequence[Link]
    change: str
    action: str
    """The address of the forms."""
    query: str
    """The present query of the page."""
    label: str
    longest: int
    save: str
    names: Choice
    delete: str


def shown_filters(visit: Visit, path: str, names: Sequence[str]) -> SavedFilters:
    """The saved filters of the page at `path`, whose query has `names`."""
    query = urlencode([(each, said) for each in names if (said := visit.query.text(each))])
    root = visit.address(path)
    saved = [(name, f"{root}?{each}" if each else root, each == query) for name, each in visit.filters.items()]
    return SavedFilters(
        heading=translated("Saved filters"),
        links=[Link(*each) for each in saved],
        change=translated("Save or delete a filter"),
        action=root + SAVED,
        query=query,
        label=translated("Name of this filter"),
        longest=_LONGEST,
        save=translated("Save"),
        names=Choice(_NAME, translated("Saved filter"), [Option(name, name) for name, _, _ in saved]),
        delete=translated("Delete"),
    )


def cookie_of(person: str, path: str) -> str:
    """The name of the cookie with a person's filters of a page: colleagues at one browser have their own."""
    return f"{_COOKIES}{hashlib.sha256(f'{person}{path}'.encode()).hexdigest()[:16]}"


def saved(request: web.Request, form: Fields, cookie: str, root: str, view: View) -> web.Response:
    """The answer to a form that saves or deletes a filter of a page: it leads back there. Raises Refused."""
    query = query_of(form, view.query)
    kept = changed(filters_in(request.cookies.get(cookie, "")), form, query)
    answer = see(f"{root}{view.path}?{query}")
    set_cookie(answer, cookie, kept, YEAR if kept else 0)
    for each in beyond(request.cookies, cookie):
        set_cookie(answer, each, "", 0)
    return answer


def beyond(cookies: Iterable[str], own: str) -> Sequence[str]:
    """The names of the cookies with others' filters that a browser no longer keeps. It sends the oldest first."""
    return [each for each in cookies if each.startswith(_COOKIES) and each != own][:-_OTHERS]


def filters_in(cookie: str) -> Mapping[str, str]:
    """The queries in a cookie by their names; none in a text of another form."""
    try:
        return dict(Fields.parsed(base64url.decoded(cookie).decode("ascii")).pairs())
    except (ValueError, Refused):
        return {}


def query_of(form: Fields, known: Sequence[str]) -> str:
    """The query in a form of the page, encoded anew. Raises Refused for a field of it that is not known."""
    query = Fields.parsed(form.text(_QUERY))
    query.require_known(known)
    return urlencode(query.pairs())


def changed(filters: Mapping[str, str], form: Fields, query: str) -> str:
    """The cookie after a form that saves or deletes a filter; empty without any. `query` is that of the form.

    Raises Refused for a form or a name of another kind, and for one filter too many.
    """
    form.require_known([TOKEN, ACT, _NAME, _QUERY])
    act, name = form.text(ACT), form.text(_NAME)
    if act not in (_SAVE, _DELETE):
        raise invalid(ACT, "names no form of this page", "不是本页面的表单")
    if not 0 < len(name) <= _LONGEST:
        raise invalid(_NAME, f"not 1 to {_LONGEST} characters", f"须为1至{_LONGEST}个字符")
    kept = {each: said for each, said in filters.items() if each != name}
    found = {**kept, name: query} if act == _SAVE else kept
    cookie = base64url.encoded(urlencode(found).encode()) if found else ""
    if len(cookie) > _LARGEST:
        raise invalid(_NAME, "one filter too many: delete another one", "筛选过多：请先删除其他筛选")
    return cookie
