"""The console of a region at a real node: who gets in, what its pages show, and that each is an RPC like any other."""

import asyncio
import html
import re
import socket
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest

from gateway.api.region.v1 import order_service_pb2 as order_api
from gateway.api.region.v1.complaint_pb2 import ComplaintState, Remedy
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.security.identity import parse
from gateway.security.tls import Credentials
from gateway.web.console.saved_filters import cookie_of
from tests.federation.browser import COOKIE, ROOT, Browser, hidden_fields
from tests.federation.certificates import FEDERATION, new_authority
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter, Reviewer
from tests.federation.databases import Row
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation
from tests.federation.web_caller import NO_CONNECTION, ORDERS

STAFF = "region/guangdong/staff/wang"
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=a>"
VALID = (datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1))


@pytest.fixture
def browser(federation: Federation) -> Browser:
    """The browser of a member of Guangdong's staff, who has not signed in."""
    return Browser.of(federation, STAFF)


async def in_review(guangdong: Counter, sichuan: Counter, **characteristics: str) -> str:
    """The id of an order that waits for a review by staff of Guangdong."""
    return (await sichuan.order("TERMINATE", await guangdong.new_customer(), **characteristics)).id


def audited(federation: Federation, path: str, region: str = "guangdong") -> list[Row]:
    """The audit rows of a caller in a region, oldest first."""
    query = "SELECT action, subject, detail FROM audit WHERE actor = ? ORDER BY sequence"
    return federation.database(region).rows(query, path)


def shown(page: str) -> str:
    """The texts of a page as a reader sees them."""
    return html.unescape(page)


async def test_a_member_of_staff_signs_in_finds_a_review_in_the_work_list_and_approves_it_once(
    federation: Federation, browser: Browser, guangdong: Counter, sichuan: Counter
) -> None:
    order_id = await in_review(guangdong, sichuan)
    closed = await browser.open("work?kind=reviews")
    assert (closed.status, closed.headers["location"]) == (
        HTTPStatus.SEE_OTHER,
        f"{ROOT}/sign-in?to=%2Fconsole%2Fwork%3Fkind%3Dreviews",
    )
    page = await browser.open(closed.headers["location"])
    assert "wang" in page.text
    answer = await browser.send(closed.headers["location"], {})
    assert answer.headers["location"] == f"{ROOT}/work?kind=reviews"
    assert {"HttpOnly", "Secure", "SameSite=Strict", "Path=/"} <= {
        each.strip() for each in answer.headers["set-cookie"].split(";")
    }
    work = await browser.open(answer.headers["location"])
    assert f'href="{ROOT}/orders/{order_id}"' in work.text
    page = await browser.open(f"orders/{order_id}")
    filled = {**hidden_fields(page.text, "review"), "decision": "approve", "note": "all is there"}
    sent = [await browser.send(f"orders/{order_id}", filled) for _ in range(2)]
    assert [each.status for each in sent] == [HTTPStatus.SEE_OTHER, HTTPStatus.SEE_OTHER]
    after = await browser.open(sent[0].headers["location"])
    assert ('role="status"' in after.text, "all is there" in after.text) == (True, True)
    assert 'role="status"' not in (await browser.open(f"orders/{order_id}")).text, "a text is shown once"
    reviews = [row for row in audited(federation, STAFF) if row[0] == "ReviewOrder" and row[1] == order_id]
    assert len(reviews) == 1
    order = await sichuan.get(order_id)
    assert [note.text for note in order.notes].count("all is there") == 1


async def test_a_filter_of_the_work_list_is_saved_by_a_name_for_one_person_and_deleted(
    federation: Federation, browser: Browser
) -> None:
    others = [cookie_of(str(each), "/work") for each in range(5)]
    browser.cookies |= dict.fromkeys(others, "x" * 1_000)
    await browser.sign_in()
    page = (await browser.open("work?kind=faults&within=4")).text
    sent = {**hidden_fields(page, "save"), "name": "紧急 <b>"}
    saved = await browser.send("work/filters", sent)
    assert (saved.status, saved.headers["location"]) == (HTTPStatus.SEE_OTHER, f"{ROOT}/work?kind=faults&within=4")
    assert [bool(browser.cookies[each]) for each in others] == [False, False, True, True, True]
    link = f'<a href="{ROOT}/work?kind=faults&amp;within=4"{{}}>紧急 &lt;b&gt;</a>'
    assert link.format(' aria-current="page"') in (await browser.open(saved.headers["location"])).text
    assert link.format("") in (await browser.open("work")).text
    wrong = [await browser.send("work/filters", {**sent, **each}) for each in ({"token": "x"}, {"query": "number=1"})]
    assert [each.status for each in wrong] == [HTTPStatus.FORBIDDEN, HTTPStatus.BAD_REQUEST]
    colleague = Browser.of(federation, "region/guangdong/staff/li")
    colleague.cookies = {name: value for name, value in browser.cookies.items() if name != COOKIE}
    assert "紧急" not in (await colleague.sign_in()).text
    page_again = await browser.open("work/filters")
    assert (page_again.status, page_again.headers["location"]) == (HTTPStatus.SEE_OTHER, f"{ROOT}/work")
    deleted = await browser.send("work/filters", {**hidden_fields(page, "save"), "act": "delete", "name": "紧急 <b>"})
    assert (deleted.status, "紧急" in (await browser.open("work")).text) == (HTTPStatus.SEE_OTHER, False)


async def test_a_rejection_without_a_reason_is_refused_as_by_grpc_and_the_page_keeps_what_was_entered(
    federation: Federation, browser: Browser, guangdong: Counter, sichuan: Counter
) -> None:
    order_id = await in_review(guangdong, sichuan)
    await browser.sign_in()
    reviewer = Reviewer(federation, "guangdong", "wang")
    decision = order_api.ReviewDecision.REVIEW_DECISION_REJECT
    told = await refusal(reviewer.decide(order_id, decision))
    before = len(audited(federation, STAFF))
    for language, text in (("en", told.texts["en"]), ("zh", told.texts["zh-CN"])):
        await browser.open(f"language/{language}?to=/console/work")
        answer = await browser.fill_in(f"orders/{order_id}", "review", {"decision": "reject", "note": ""})
        assert (answer.status, answer.headers["content-type"]) == (HTTPStatus.BAD_REQUEST, "text/html; charset=utf-8")
        assert text in shown(answer.text)
        assert told.reason in answer.text
        assert 'value="reject" required checked' in answer.text
    # Each of both pages is read twice: before the form, and with its refusal.
    rows = [(action, subject) for action, subject, _ in audited(federation, STAFF)[before:]]
    assert {action for action, subject in rows if subject == order_id} == {"GetOrder"}
    assert (await sichuan.get(order_id)).state == OrderState.ORDER_STATE_IN_PROGRESS


async def test_an_order_that_is_not_there_is_refused_in_the_same_words_by_grpc(
    federation: Federation, browser: Browser
) -> None:
    await browser.sign_in()
    reviewer = Reviewer(federation, "guangdong", "wang")
    request = order_api.GetOrderRequest(order_id="guangdong/counter/none")
    told = await refusal(reviewer.orders.GetOrder(request, timeout=CALL_SECONDS))
    answer = await browser.open("orders/guangdong/counter/none", Accept_Language="zh-CN")
    assert (answer.status, told.texts["zh-CN"] in shown(answer.text)) == (HTTPStatus.NOT_FOUND, True)
    assert (await browser.open("nothing")).status == HTTPStatus.NOT_FOUND
    assert (await browser.open("orders?state=wrong")).status == HTTPStatus.BAD_REQUEST
    assert (await browser.open("orders?sorted=yes")).status == HTTPStatus.BAD_REQUEST
    assert (await browser.open("work?within=9")).status == HTTPStatus.BAD_REQUEST


async def test_reading_an_order_by_both_doors_writes_the_same_audit_row(
    federation: Federation, browser: Browser, guangdong: Counter, sichuan: Counter
) -> None:
    order_id = await in_review(guangdong, sichuan)
    await browser.sign_in()
    before = len(audited(federation, STAFF))
    await browser.open(f"orders/{order_id}")
    by_page = audited(federation, STAFF)[before:]
    reviewer = Reviewer(federation, "guangdong", "wang")
    await reviewer.orders.GetOrder(order_api.GetOrderRequest(order_id=order_id), timeout=CALL_SECONDS)
    assert audited(federation, STAFF)[before + len(by_page) :] == by_page
    assert len(by_page) == 1


async def test_no_form_of_another_site_or_session_is_heeded(
    browser: Browser, guangdong: Counter, sichuan: Counter
) -> None:
    order_id = await in_review(guangdong, sichuan)
    path = f"orders/{order_id}"
    await browser.sign_in()
    filled = {**hidden_fields((await browser.open(path)).text, "review"), "decision": "approve"}
    refused = [
        await browser.send(path, {**filled, "token": "x" * 43}),
        await browser.send(path, {name: value for name, value in filled.items() if name != "token"}),
        await browser.send(path, filled, Origin="https://evil.example"),
        await browser.send(path, filled, Origin="null"),
        await browser.send("sign-out", {"token": "x"}),
        await browser.send("sign-in", {}, Origin="https://evil.example"),
    ]
    for answer in refused:
        assert (answer.status, "FORM_UNTRUSTED" in answer.text) == (HTTPStatus.FORBIDDEN, True)
    wrong = [
        await browser.send(path, {**filled, "act": "delete"}),
        await browser.send(path, {**filled, "state": "completed"}),
        await browser.send(path, filled, Content_Type="text/plain"),
    ]
    assert [each.status for each in wrong] == [HTTPStatus.BAD_REQUEST] * 3
    without = Browser(browser.caller)
    answer = await without.send(path, filled)
    assert (answer.status, "SESSION_MISSING" in answer.text) == (HTTPStatus.UNAUTHORIZED, True)
    assert (await sichuan.get(order_id)).state == OrderState.ORDER_STATE_IN_PROGRESS


async def test_a_stolen_cookie_opens_nothing_with_another_certificate_and_ends_its_session(
    federation: Federation, browser: Browser
) -> None:
    await browser.sign_in()
    thief = Browser.of(federation, "region/guangdong/staff/thief")
    thief.cookies = dict(browser.cookies)
    answer = await thief.open("work")
    assert (answer.status, "SESSION_FOREIGN" in answer.text) == (HTTPStatus.UNAUTHORIZED, True)
    action, subject, detail = audited(federation, "region/guangdong/staff/thief")[-1]
    assert (action, subject, str(detail).partition(" ")[0]) == ("DENIED", ROOT, "SESSION_FOREIGN")
    assert (await browser.open("work")).status == HTTPStatus.SEE_OTHER


async def test_who_signs_in_with_the_cookie_of_somebody_else_is_noted_and_gets_a_session_of_its_own(
    federation: Federation, browser: Browser
) -> None:
    await browser.sign_in()
    thief = Browser.of(federation, "region/guangdong/staff/second-thief")
    thief.cookies = dict(browser.cookies)
    assert (await thief.sign_in()).status == HTTPStatus.OK
    assert thief.cookies != browser.cookies
    details = [
        str(detail)
        for action, _, detail in audited(federation, "region/guangdong/staff/second-thief")
        if action == "DENIED"
    ]
    assert [each.partition(" ")[0] for each in details] == ["SESSION_FOREIGN"]
    assert (await browser.open("work")).status == HTTPStatus.SEE_OTHER


async def test_a_link_from_elsewhere_leads_through_the_sign_in_and_ends_no_session(browser: Browser) -> None:
    await browser.sign_in()
    cookies = dict(browser.cookies)
    answer = await browser.send(f"sign-in?to={ROOT}/orders", {})
    assert (answer.status, answer.headers["location"]) == (HTTPStatus.SEE_OTHER, f"{ROOT}/orders")
    assert "set-cookie" not in answer.headers
    assert browser.cookies == cookies
    assert (await browser.open("work")).status == HTTPStatus.OK


async def test_a_form_whose_session_has_ended_is_done_once_after_the_sign_in_with_all_that_was_entered(
    federation: Federation, browser: Browser, guangdong: Counter, sichuan: Counter
) -> None:
    order_id = await in_review(guangdong, sichuan)
    path = f"{ROOT}/orders/{order_id}"
    await browser.sign_in()
    filled = {**hidden_fields((await browser.open(path)).text, "review"), "decision": "approve", "note": "long words"}
    browser.cookies.clear()
    answer = await browser.send(path, filled)
    assert (answer.status, answer.text.count("long words")) == (HTTPStatus.UNAUTHORIZED, 2)
    kept = hidden_fields(answer.text, "review")
    assert kept == {name: text for name, text in filled.items() if name != "token"}
    again = await browser.send(action_of(answer.text, "review"), kept)
    assert (again.status, action_of(again.text, "review")) == (HTTPStatus.OK, path)
    sent = [await browser.send(path, hidden_fields(again.text, "review")) for _ in range(2)]
    assert [each.status for each in sent] == [HTTPStatus.SEE_OTHER] * 2
    order = await sichuan.get(order_id)
    assert [note.text for note in order.notes] == ["long words"]


async def test_a_form_of_a_page_that_cannot_be_read_is_kept_with_both_refusals(
    browser: Browser, guangdong: Counter, sichuan: Counter
) -> None:
    order_id = await in_review(guangdong, sichuan)
    await browser.sign_in()
    filled = {**hidden_fields((await browser.open(f"orders/{order_id}")).text, "review"), "decision": "approve"}
    answer = await browser.send("orders/guangdong/counter/none", {**filled, "note": "long words"})
    assert (answer.status, answer.text.count("ORDER_NOT_FOUND")) == (HTTPStatus.NOT_FOUND, 2)
    kept = hidden_fields(answer.text, "review")
    assert (kept["note"], kept["decision"]) == ("long words", "approve")
    assert kept["request_id"] != filled["request_id"], "a request that was refused for good needs another id"
    stale = await browser.send(f"orders/{order_id}", {**filled, "note": "long words", "token": "of another session"})
    assert (stale.status, hidden_fields(stale.text, "review")["token"]) == (HTTPStatus.FORBIDDEN, filled["token"])
    foreign = await browser.send(f"orders/{order_id}", {**filled, "note": "long words"}, Origin="https://evil.example")
    assert (foreign.status, "long words" in foreign.text) == (HTTPStatus.FORBIDDEN, False)


def action_of(page: str, act: str) -> str:
    """Where the form of a page with the act leads."""
    forms = re.findall(r'<form method="post" action="([^"]*)">(.*?)</form>', page, re.DOTALL)
    return next(html.unescape(to) for to, form in forms if f'name="act" value="{act}"' in form)


async def test_who_has_signed_out_is_out(browser: Browser) -> None:
    page = await browser.sign_in()
    stale = dict(browser.cookies)
    answer = await browser.send("sign-out", hidden_fields(page.text, ""))
    assert (answer.status, browser.cookies[COOKIE]) == (HTTPStatus.SEE_OTHER, "")
    browser.cookies = stale
    assert (await browser.open("work")).status == HTTPStatus.SEE_OTHER


async def test_nobody_but_staff_of_the_region_gets_in(federation: Federation, browser: Browser) -> None:
    for path in ("region/guangdong/operator/counter", "region/sichuan/staff/reviewer-1"):
        stranger = Browser.of(federation, path)
        for answer in (
            await stranger.open("work"),
            await stranger.send("sign-in", {}),
            await stranger.open("sign-in"),
            await stranger.open("language/en?to=/console/work"),
        ):
            assert (answer.status, "PERMISSION_DENIED" in answer.text) == (HTTPStatus.FORBIDDEN, True)
            assert "set-cookie" not in answer.headers
        assert ("DENIED", ROOT) in {(action, subject) for action, subject, _ in audited(federation, path)}
    foreign = new_authority().issue_tls(parse(f"spiffe://{FEDERATION}/{STAFF}", FEDERATION), *VALID)
    folder = federation.directory / "foreign-staff"
    folder.mkdir()
    own = Credentials(browser.caller.authority, folder / "tls.crt", folder / "tls.key")
    own.certificate.write_bytes(foreign.certificate_pem)
    own.key.write_bytes(foreign.key_pem)
    for credentials in (None, own):
        with pytest.raises(NO_CONNECTION):
            await Browser(replace(browser.caller, credentials=credentials)).open("work")


async def test_texts_of_customers_never_become_markup(browser: Browser, guangdong: Counter, sichuan: Counter) -> None:
    order_id = await in_review(guangdong, sichuan, refund_account=EVIL)
    await browser.sign_in()
    for path in (f"orders/{order_id}", f"orders/{order_id}?hops=signed", "orders", "work"):
        page = await browser.open(path)
        assert page.status == HTTPStatus.OK, path
        assert "<script>alert" not in page.text
        assert "<img" not in page.text
    assert EVIL in shown((await browser.open(f"orders/{order_id}")).text)
    for path in ("orders?number=%3Cscript%3Ealert(1)%3C/script%3E", "%3Cscript%3Ealert(1)%3C/script%3E"):
        assert "<script>alert" not in (await browser.open(path)).text
    typed = await browser.fill_in(f"orders/{order_id}", "review", {"decision": "reject", "note": f"{EVIL}\u202e"})
    assert (typed.status, "<img" in typed.text) == (HTTPStatus.BAD_REQUEST, False)
    assert "\u202e" not in typed.text


async def test_a_complaint_is_noted_answered_and_resolved_from_its_page(
    federation: Federation, browser: Browser, guangdong: Counter
) -> None:
    desk = Complainant(federation, "guangdong")
    ticket_id = (await desk.file("BILL_WRONG", await guangdong.new_customer(), description=f"多收{EVIL}")).ticket_id
    await browser.sign_in()
    path = f"complaints/{ticket_id}"
    assert f'href="{ROOT}/{path}"' in (await browser.open("work?kind=complaints")).text
    page = await browser.open(path)
    assert ("<script>alert" in page.text, f"多收{EVIL}" in shown(page.text)) == (False, True)
    for act, fields in (
        ("note", {"text": "the third call"}),
        ("respond", {"text": "we look into it"}),
    ):
        assert (await browser.fill_in(path, act, fields)).status == HTTPStatus.SEE_OTHER
    proposal = {"text": "refunded", "cause": "billing-error", "remedy": "refund", "amount": ""}
    without = await browser.fill_in(path, "propose", proposal)
    staff = Complainant(federation, "guangdong", "staff/wang")
    told = await refusal(staff.propose(ticket_id, remedy=Remedy.REMEDY_REFUND, amount=0))
    assert (without.status, told.reason in without.text) == (HTTPStatus.BAD_REQUEST, True)
    wrong = await browser.fill_in(path, "propose", {**proposal, "amount": "a lot"})
    assert (wrong.status, 'value="a lot"' in wrong.text) == (HTTPStatus.BAD_REQUEST, True)
    assert (await browser.fill_in(path, "propose", {**proposal, "amount": "12"})).status == HTTPStatus.SEE_OTHER
    complaint = await desk.get(ticket_id)
    assert [note.text for note in complaint.notes] == ["we look into it"]
    assert complaint.state == ComplaintState.COMPLAINT_STATE_RESOLVED
    assert (complaint.resolution.amount.minor_units, complaint.resolution.author) == (1200, "guangdong/wang")
    assert "the third call" in (await browser.open(path)).text
    assert "the third call" not in str(complaint)


async def test_a_note_and_a_proposal_that_come_too_late_for_a_complaint_keep_what_was_entered(
    federation: Federation, browser: Browser, guangdong: Counter
) -> None:
    desk = Complainant(federation, "guangdong")
    ticket_id = (await desk.file("BILL_WRONG", await guangdong.new_customer())).ticket_id
    await browser.sign_in()
    path = f"complaints/{ticket_id}"
    page = (await browser.open(path)).text
    await desk.withdraw(ticket_id)
    proposal = {"text": "refunded", "cause": "billing-error", "remedy": "refund", "amount": "12"}
    for act, entered in (("propose", proposal), ("respond", {"text": "we look into it"})):
        late = await browser.send(path, {**hidden_fields(page, act), **entered})
        assert ("COMPLAINT_STATE_FORBIDS" in late.text, f"{entered['text']}</textarea>" in late.text) == (True, True)


async def test_pages_are_kept_by_nobody_and_their_files_for_ever(browser: Browser) -> None:
    page = await browser.sign_in()
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["content-security-policy"] == (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    assert (page.headers["x-content-type-options"], page.headers["referrer-policy"]) == ("nosniff", "same-origin")
    assert " style=" not in page.text
    assert "<style" not in page.text
    named = [part.partition('"')[0] for part in page.text.split(f'"{ROOT}/assets/')[1:]]
    assert len(named) == 3
    for each in named:
        file = await browser.open(f"assets/{each}")
        assert (file.status, "immutable" in file.headers["cache-control"]) == (HTTPStatus.OK, True)
    assert (await browser.open("assets/console-0000000000000000.css")).status == HTTPStatus.NOT_FOUND


async def test_pages_speak_the_language_of_the_browser_until_one_is_chosen(browser: Browser) -> None:
    await browser.sign_in()
    chinese = await browser.open("work", Accept_Language="zh-CN,zh;q=0.9")
    english = await browser.open("work", Accept_Language="en")
    assert ('<html lang="zh-CN">' in chinese.text, "工作清单" in chinese.text) == (True, True)
    assert ('<html lang="en">' in english.text, "Work list" in english.text) == (True, True)
    back = await browser.open("language/zh?to=%2Fconsole%2Forders%3Fstate%3Dcompleted")
    assert back.headers["location"] == f"{ROOT}/orders?state=completed"
    assert '<html lang="zh-CN">' in (await browser.open("work", Accept_Language="en")).text


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example/console/",
        "//evil.example/console/",
        "/other",
        "/console/\\evil",
        "javascript:1",
        "",
        "//[",
        "/console/%C3%A9",
    ],
)
async def test_the_way_back_leads_to_no_other_site(browser: Browser, to: str) -> None:
    for answer in (await browser.open(f"language/en?to={to}"), await browser.send(f"sign-in?to={to}", {})):
        assert (answer.status, answer.headers["location"]) == (HTTPStatus.SEE_OTHER, f"{ROOT}/work")
    assert (await browser.open(f"sign-in?to={to}")).status == HTTPStatus.OK


@pytest.mark.parametrize(
    ("path", "problem"),
    [(b"/orders?number=SECRET" + b"1" * 9_000, "8190 bytes"), (b"/SECRET\xff", "is no HTTP/1.1")],
    ids=["long", "no text"],
)
async def test_what_is_no_request_is_refused_by_a_page_that_leads_home(
    browser: Browser, path: bytes, problem: str
) -> None:
    told = await asyncio.to_thread(_told, browser, ROOT.encode() + path)
    assert " 400 " in told.partition("\r\n")[0]
    assert problem in shown(told)
    assert f'href="{ROOT}/work"' in told
    assert "SECRET" not in told


def _told(browser: Browser, path: bytes) -> str:
    """The whole answer to a path of any bytes."""
    caller = browser.caller
    context = ssl.create_default_context(cafile=str(caller.authority))
    context.check_hostname = False
    assert caller.credentials is not None
    context.load_cert_chain(caller.credentials.certificate, caller.credentials.key)
    address = ("127.0.0.1", int(caller.port_file.read_text()))
    with socket.create_connection(address, CALL_SECONDS) as plain, context.wrap_socket(plain) as sealed:
        sealed.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: sealed.recv(4096), b"")).decode()


async def test_orders_are_narrowed_by_the_filters_in_the_address(
    browser: Browser, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    ids = [(await guangdong.order("PAY", number, amount=str(100 + index))).id for index in range(2)]
    await browser.sign_in()
    listed = await browser.open(f"orders?number=%2B{number[1:]}&business=PAY&state=completed")
    assert [f"/orders/{each}" in listed.text for each in ids] == [True, True]
    none = await browser.open(f"orders?number=%2B{number[1:]}&state=held")
    assert [f"/orders/{each}" in none.text for each in ids] == [False, False]


async def test_the_console_serves_no_api_and_the_apis_no_session(browser: Browser) -> None:
    await browser.sign_in()
    # A cookie is no way into an Open API: those are called by the certificate, and take JSON alone.
    answer = await browser.send(ORDERS, {"a": "b"})
    assert (answer.status, answer.body["code"]) == (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "MEDIA_TYPE_UNSUPPORTED")
