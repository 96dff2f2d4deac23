"""Saved filters of a page, which the browser keeps by their names."""

import base64

import pytest

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.web.console.cookies import COOKIE, LANGUAGE_COOKIE
from gateway.web.console.fields import Fields
from gateway.web.console.saved_filters import beyond, changed, cookie_of, filters_in, query_of
from tests.unit.console_pages import refused

KNOWN = ("kind", "within")


def after(cookie: str, sent: Fields) -> str:
    """The cookie after a form."""
    return changed(filters_in(cookie), sent, query_of(sent, KNOWN))


def form(act: str, name: str, query: str = "") -> Fields:
    """The form of a page."""
    return Fields({"act": [act], "name": [name], "query": [query]})


def test_a_filter_is_saved_by_its_name_replaced_by_the_same_name_and_deleted() -> None:
    cookie = after("", form("save", "逾期 & more", "kind=reviews&within=0"))
    assert filters_in(cookie) == {"逾期 & more": "kind=reviews&within=0"}
    cookie = after(cookie, form("save", "all"))
    cookie = after(cookie, form("save", "逾期 & more", "within=4"))
    assert filters_in(cookie) == {"all": "", "逾期 & more": "within=4"}
    cookie = after(cookie, form("delete", "all"))
    assert filters_in(cookie) == {"逾期 & more": "within=4"}
    assert not after(cookie, form("delete", "逾期 & more"))


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (form("save", ""), Reason.REASON_REQUEST_INVALID),
        (form("save", "x" * 41), Reason.REASON_REQUEST_INVALID),
        (form("share", "all"), Reason.REASON_REQUEST_INVALID),
        (form("save", "all", "number=1"), Reason.REASON_ATTRIBUTE_UNSUPPORTED),
        (
            Fields({"act": ["save"], "name": ["all"], "to": ["https://evil.example"]}),
            Reason.REASON_ATTRIBUTE_UNSUPPORTED,
        ),
    ],
)
def test_a_form_of_another_kind_saves_nothing(sent: Fields, reason: Reason.ValueType) -> None:
    assert refused(lambda: after("", sent)) == reason


def test_a_query_leads_to_its_page_and_says_nothing_else_to_the_browser() -> None:
    sent = form("save", "all", "kind=a\r\nSet-Cookie: x=1&within=%E9%80%BE#b")
    query = query_of(sent, KNOWN)
    assert (query.isascii(), query.isprintable(), "#" in query, " " in query) == (True, True, False, False)
    assert Fields.parsed(query).text("within") == "逾#b"


def test_a_browser_is_given_no_more_filters_than_it_keeps() -> None:
    def fill() -> None:
        cookie = ""
        for number in range(100):
            cookie = after(cookie, form("save", f"{number}{'逾' * 30}", "within=0"))
            assert len(cookie) <= 1_000

    assert refused(fill) == Reason.REASON_REQUEST_INVALID


@pytest.mark.parametrize("text", [b"\xff", "逾期".encode(), b"a=%FF", b"&".join([b"a=1"] * 300)])
def test_a_cookie_with_another_text_has_no_filters(text: bytes) -> None:
    assert not filters_in(base64.urlsafe_b64encode(text).decode())
    assert not filters_in("逾期")
    assert not filters_in("x")


def test_colleagues_at_one_browser_have_their_own_filters() -> None:
    assert len({cookie_of(person, path) for person in ("a", "b") for path in ("/work", "/orders")}) == 4


def test_a_browser_keeps_the_filters_of_four_people_and_forgets_the_oldest() -> None:
    cookies = [cookie_of(str(person), "/work") for person in range(6)]
    sent = [LANGUAGE_COOKIE, *cookies, COOKIE]
    assert beyond(sent, cookies[0]) == cookies[1:3]
    assert beyond(sent, cookie_of("another", "/work")) == cookies[:3]
    assert not beyond([*cookies[:4], COOKIE], cookies[3])
