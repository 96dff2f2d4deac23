"""The sign-in by an identity provider: which of its answers count, and how a session without a certificate is bound."""

import html
import re
from http import HTTPStatus
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.web.bodies import Room
from tests.federation.browser import COOKIE, ROOT, Browser, hidden_fields
from tests.federation.counter import Counter
from tests.federation.running import Federation
from tests.federation.token_provider import AUDIENCE, TokenProvider
from tests.federation.web_caller import WebAnswer, without_certificate

REGION, STAFF = "sichuan", "region/sichuan/staff/chen"
LONG_AGO = 1_000_000_000
_GO_ON = re.compile(r'<a href="(https://[^"]+)">')


@pytest.fixture
def browser(federation: Federation) -> Browser:
    """A browser without a certificate, in which nobody has signed in."""
    return Browser(without_certificate(federation, REGION, headers={}))


async def came_back(browser: Browser, provider: TokenProvider, to: str = f"{ROOT}/work", name: str = "chen") -> str:
    """The path by which the provider sends a browser back."""
    page = await browser.open(f"sign-in?to={to}")
    assert page.status == HTTPStatus.OK
    found = _GO_ON.search(page.text)
    assert found is not None, page.text
    url = urlsplit(await provider.sign_in(html.unescape(found[1]), name))
    assert f"{url.scheme}://{url.netloc}" == browser.origin
    return f"{url.path}?{url.query}"


async def signed_in(browser: Browser, provider: TokenProvider, name: str = "chen") -> WebAnswer:
    """Signs in; returns the page behind."""
    answer = await browser.open(await came_back(browser, provider, name=name))
    assert answer.status == HTTPStatus.OK, answer.text
    return await browser.open(answer.headers["refresh"].partition("url=")[2])


def denied(answer: WebAnswer) -> str:
    """The reason of a page that was refused."""
    found = re.search(r'<p class="soft">([A-Z_]+)</p>', answer.text)
    return f"{answer.status} {found[1] if found else answer.headers.get('location', '')}"


async def test_a_member_of_staff_signs_in_at_the_identity_provider_works_and_signs_out(
    federation: Federation, browser: Browser, provider: TokenProvider, sichuan: Counter
) -> None:
    order_id = (await sichuan.order("SUSPEND", await sichuan.new_customer())).id
    closed = await browser.open(f"orders/{order_id}")
    assert (closed.status, closed.headers["location"].partition("?")[0]) == (HTTPStatus.SEE_OTHER, f"{ROOT}/sign-in")
    answer = await browser.open(await came_back(browser, provider, f"{ROOT}/orders/{order_id}"))
    assert answer.headers["refresh"] == f"0; url={ROOT}/orders/{order_id}"
    (session,) = (each for each in answer.cookies if each.startswith(f"{COOKIE}="))
    assert {"HttpOnly", "Secure", "SameSite=Strict", "Path=/"} <= {each.strip() for each in session.split(";")}
    rows = "SELECT action, detail FROM audit WHERE actor = ? AND subject = ? ORDER BY sequence"
    page = await browser.open(f"orders/{order_id}")
    assert ("chen" in page.text, order_id in page.text) == (True, True)
    by_session = federation.database(REGION).rows(rows, STAFF, order_id)
    assert [action for action, _ in by_session] == ["GetOrder"]
    by_certificate = Browser.of(federation, STAFF, REGION)
    await by_certificate.sign_in()
    await by_certificate.open(f"orders/{order_id}")
    assert federation.database(REGION).rows(rows, STAFF, order_id) == by_session * 2, "both doors write the same rows"
    stale = dict(browser.cookies)
    assert (await browser.send("sign-out", hidden_fields(page.text, ""))).status == HTTPStatus.SEE_OTHER
    browser.cookies = stale
    assert (await browser.open("work")).status == HTTPStatus.SEE_OTHER


async def test_a_page_with_an_address_too_long_for_a_cookie_keeps_nobody_from_signing_in(
    browser: Browser, provider: TokenProvider
) -> None:
    way = await came_back(browser, provider, quote(f"{ROOT}/work?text={'x' * 3_000}", safe=""))
    answer = await browser.open(way)
    assert (answer.status, answer.headers.get("refresh")) == (HTTPStatus.OK, f"0; url={ROOT}/work")


async def test_no_token_counts_but_one_for_this_sign_in_that_the_provider_has_signed_for_staff(
    browser: Browser, provider: TokenProvider
) -> None:
    wrong: dict[str, object] = {
        "nonce": "of another one",
        "aud": AUDIENCE,
        "iss": "https://other.example",
        "azp": "another client",
        "groups": "others",
        "preferred_username": "self-service",
        "exp": None,
    }
    changes = [{name: value} for name, value in wrong.items()]
    changes += [{"nonce": None}, {"groups": None}, {"iat": LONG_AGO, "exp": LONG_AGO + 60}, {"sub": "any"}]
    found = []
    for change in changes:
        provider.changes = change
        found.append(denied(await browser.open(await came_back(browser, provider))))
    provider.changes = {}
    provider.signing = ec.generate_private_key(ec.SECP256R1())
    found.append(denied(await browser.open(await came_back(browser, provider))))
    provider.algorithm = "none"
    found.append(denied(await browser.open(await came_back(browser, provider))))
    good = changes.index({"sub": "any"})
    assert found.pop(good) == f"{HTTPStatus.OK:d} ", "what is not looked at changes nothing"
    assert set(found) == {f"{HTTPStatus.UNAUTHORIZED:d} STAFF_PROOF_INVALID"}, found


async def test_no_answer_counts_but_the_one_that_this_browser_has_asked_for(
    federation: Federation, browser: Browser, provider: TokenProvider
) -> None:
    path = await came_back(browser, provider)
    stranger = Browser(without_certificate(federation, REGION, headers={}))
    other = parse_qs(urlsplit(await came_back(stranger, provider, name="li")).query)
    own = parse_qs(urlsplit(path).query)
    invalid = f"{HTTPStatus.UNAUTHORIZED:d} STAFF_PROOF_INVALID"
    injected = f"{ROOT}/signed-in?code={other['code'][0]}&state={own['state'][0]}"
    for wrong in (
        path.replace(own["state"][0], "x" * 43),
        path.partition("state=")[0],
        f"{ROOT}/signed-in?state={own['state'][0]}&error=access_denied",
        f"{ROOT}/signed-in?state={own['state'][0]}&error=<script>",
        path.replace("127.0.0.1%3A", "127.0.0.2%3A"),  # the issuer
        injected,
    ):
        answer = await browser.open(wrong)
        assert (denied(answer), answer.cookies, "<script>" in answer.text) == (invalid, (), False), wrong
    without = Browser(without_certificate(federation, REGION, headers={}))
    assert denied(await without.open(path)) == invalid
    assert (await browser.open(path)).status == HTTPStatus.OK
    assert denied(await browser.open(path)) == invalid, "an answer counts once"


async def test_what_a_proxy_would_say_changes_neither_the_way_back_nor_what_a_request_is(
    browser: Browser, provider: TokenProvider
) -> None:
    said = {
        "Forwarded": "for=127.0.0.1;host=evil.example;proto=http",
        "X_Forwarded_Host": "evil.example",
        "X_Forwarded_Proto": "http",
        "X_Original_URL": f"{ROOT}/language/zh",
    }
    page = await browser.open("sign-in", **said)
    found = _GO_ON.search(page.text)
    assert found is not None
    (back,) = parse_qs(urlsplit(html.unescape(found[1])).query)["redirect_uri"]
    assert (back, "evil.example" in page.text) == (f"{browser.origin}{ROOT}/signed-in", False)
    answer = await signed_in(browser, provider)
    fields, as_post = hidden_fields(answer.text, ""), {"X_HTTP_Method_Override": "POST", "Origin": browser.origin}
    read = await browser.open(f"sign-out?token={fields['token']}", **said, **as_post)
    foreign = await browser.send("sign-out", fields, Origin="https://evil.example", **said)
    assert [read.status, foreign.status] == [HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.FORBIDDEN]
    assert read.headers["allow"] == "POST"
    assert (await browser.open("work")).status == HTTPStatus.OK, "still signed in"


async def test_a_session_counts_with_the_proof_alone_with_which_it_began(
    federation: Federation, browser: Browser, provider: TokenProvider
) -> None:
    await signed_in(browser, provider)
    thief = Browser.of(federation, "region/sichuan/staff/session-thief", REGION)
    thief.cookies = dict(browser.cookies)
    foreign = f"{HTTPStatus.UNAUTHORIZED:d} SESSION_FOREIGN"
    assert denied(await thief.open("work")) == foreign
    assert (await browser.open("work")).status == HTTPStatus.SEE_OTHER, "it has ended"
    owner = Browser.of(federation, STAFF, REGION)
    await owner.sign_in()
    browser.cookies = dict(owner.cookies)
    assert denied(await browser.open("work")) == foreign
    assert (await owner.open("work")).status == HTTPStatus.SEE_OTHER


async def test_forms_without_a_certificate_are_those_of_the_session_and_are_kept_where_it_has_ended(
    browser: Browser, provider: TokenProvider, guangdong: Counter, sichuan: Counter
) -> None:
    order_id = (await guangdong.order("TERMINATE", await sichuan.new_customer())).id
    await signed_in(browser, provider)
    path = f"{ROOT}/orders/{order_id}"
    filled = {**hidden_fields((await browser.open(path)).text, "review"), "decision": "approve", "note": "long words"}
    untrusted = f"{HTTPStatus.FORBIDDEN:d} FORM_UNTRUSTED"
    assert denied(await browser.send(path, {**filled, "token": "x" * 43})) == untrusted
    assert denied(await browser.send(path, filled, Origin="https://evil.example")) == untrusted
    browser.cookies.clear()
    answer = await browser.send(path, filled)
    assert denied(answer) == f"{HTTPStatus.UNAUTHORIZED:d} SESSION_MISSING"
    kept = hidden_fields(answer.text, "review")
    again = f"sign-in?to={path}"
    assert denied(await browser.send(again, kept)) == f"{HTTPStatus.UNAUTHORIZED:d} SESSION_MISSING"
    await signed_in(browser, provider)
    asked = await browser.send(again, kept)
    assert (asked.status, "long words" in asked.text) == (HTTPStatus.OK, True)
    assert (await browser.send(path, hidden_fields(asked.text, "review"))).status == HTTPStatus.SEE_OTHER
    assert "long words" in (await browser.open(path)).text


async def test_a_provider_that_fails_is_named_and_a_stranger_reads_nothing(
    federation: Federation, browser: Browser, provider: TokenProvider
) -> None:
    provider.status = HTTPStatus.BAD_GATEWAY
    answer = await browser.open(await came_back(browser, provider))
    assert denied(answer) == f"{HTTPStatus.SERVICE_UNAVAILABLE:d} IDENTITY_PROVIDER_UNREACHABLE"
    assert (answer.cookies, answer.headers["retry-after"]) == ((), "5")
    for path in ("work", "orders/any", "nothing"):
        assert (await browser.open(path)).status == HTTPStatus.SEE_OTHER, path
    browser.cookies[COOKIE] = "x" * 43
    assert (await browser.open("work")).status == HTTPStatus.SEE_OTHER
    assert (await browser.caller.ask("GET", "/metrics")).status == HTTPStatus.UNAUTHORIZED
    chosen = await browser.open(f"language/zh?to={ROOT}/sign-in")
    assert (chosen.status, chosen.headers["location"]) == (HTTPStatus.SEE_OTHER, f"{ROOT}/sign-in")


async def test_forms_of_strangers_share_room_which_those_of_people_who_are_signed_in_do_not_need(
    federation: Federation, browser: Browser, provider: TokenProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(room: Room, size: int) -> None:
        raise Refused(Reason.REASON_TOO_BUSY)

    page = await signed_in(browser, provider)
    stranger = Browser(without_certificate(federation, REGION, headers={}))
    monkeypatch.setattr(Room, "take", full)
    assert denied(await stranger.send("sign-in", {"text": "any"})) == f"{HTTPStatus.SERVICE_UNAVAILABLE:d} TOO_BUSY"
    assert (await browser.send("sign-out", hidden_fields(page.text, ""))).status == HTTPStatus.SEE_OTHER
