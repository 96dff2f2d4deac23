"""The parts of a console without a server: sessions, fields, due times, languages, and pages of hostile texts."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import cast
from unittest.mock import Mock

import click
import pytest
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.terms_pb2 import CodeTerm, Terms
from gateway.api.region.v1.catalogue_service_pb2 import GetBusinessGuideRequest, GetTermsResponse
from gateway.api.region.v1.complaint_pb2 import ComplaintState, DeadlineKind
from gateway.api.region.v1.complaint_service_pb2 import GetComplaintResponse, ListComplaintsResponse
from gateway.api.region.v1.fault_pb2 import Fault
from gateway.api.region.v1.fault_service_pb2 import ListFaultsResponse
from gateway.api.region.v1.issue_service_pb2 import GetIssueResponse
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.region.v1.order_service_pb2 import GetOrderResponse, ListOrdersResponse
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused, invalid
from gateway.rpc.in_process import InProcess
from gateway.rpc.interceptor import BorderPorts
from gateway.time.clock import SystemClock, to_timestamp
from gateway.web.console import sessions
from gateway.web.console.application import ConsoleApplication
from gateway.web.console.fields import Fields
from gateway.web.console.framing import Person, Site, framed
from gateway.web.console.pages import Rpc, Shown, WebConsole
from gateway.web.console.parts import due_cell, span
from gateway.web.console.requests import form_of
from gateway.web.console.sessions import Session, Sessions
from gateway.wording.languages import current_language, for_reader, translated
from gateway.wording.terms import category_name, learn
from region_node.console.console import console
from tests.unit.console_pages import (
    CONSOLE,
    NOW,
    STAFF,
    TEXTS,
    Answering,
    M,
    complaint,
    fault,
    full_pages,
    guide,
    issue,
    network,
    order,
    proofs,
    read_by,
    refused,
    view_of,
    visit,
    written,
    written_by,
)
from tests.unit.test_complaint_report import read
from tests.unit.test_hostile_pages import EVIL, structure

OWN, OTHER = b"own", b"other"


class Seconds:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_session_ends_after_idle_time_and_after_its_longest_time_however_busy() -> None:
    clock = Seconds()
    kept = Sessions(clock)
    idle, busy = kept.begin("wang", OWN), kept.begin("wang", OWN)
    clock.now += sessions.IDLE_SECONDS - 1
    kept.require(busy, "wang", OWN)
    clock.now += 1
    assert refused(lambda: kept.require(idle, "wang", OWN)) == Reason.REASON_SESSION_MISSING
    end = 100.0 + sessions.LONGEST_SECONDS
    while clock.now + 60 < end:
        clock.now += 60
        kept.require(busy, "wang", OWN)
    clock.now = end
    assert refused(lambda: kept.require(busy, "wang", OWN)) == Reason.REASON_SESSION_MISSING


def test_an_idle_session_still_watches_until_its_longest_time_and_does_nothing_else() -> None:
    clock = Seconds()
    kept = Sessions(clock)
    wall = kept.begin("wang", OWN)
    clock.now += sessions.LONGEST_SECONDS - 1
    kept.begin("wang", OWN)  # which forgets the sessions that are past
    kept.require(wall, "wang", OWN, is_use=False)
    assert not kept.has(wall)
    assert refused(lambda: kept.require(wall, "wang", OWN)) == Reason.REASON_SESSION_MISSING
    assert refused(lambda: kept.require(wall, "wang", OWN, is_use=False)) == Reason.REASON_SESSION_MISSING, "ended"
    other = kept.begin("li", OWN)
    clock.now += sessions.LONGEST_SECONDS
    assert refused(lambda: kept.require(other, "li", OWN, is_use=False)) == Reason.REASON_SESSION_MISSING


def test_the_head_leads_to_the_audit_rows_only_those_who_may_read_them() -> None:
    served = console("guangdong", SystemClock(), lambda name: name == "wang")
    site = Site(home="/console/work", style="", script="", icon="", here="", files=())

    def paths(name: str) -> list[str]:
        identity = replace(STAFF, name=name)
        person = Person(identity, Session(identity.path, OWN, "token", 0, 0), {})
        return [each.href for each in framed(served, site, Shown("", "", None), person, ()).tabs]

    assert paths("wang") == [*paths("li"), "/console/audit"]


def test_a_session_in_other_hands_ends() -> None:
    kept = Sessions(Seconds())
    session = kept.begin("wang", OWN)
    assert refused(lambda: kept.require(session, "li", OTHER)) == Reason.REASON_SESSION_FOREIGN
    assert refused(lambda: kept.require(session, "wang", OWN)) == Reason.REASON_SESSION_MISSING
    assert refused(lambda: kept.require("", "wang", OWN)) == Reason.REASON_SESSION_MISSING


def test_a_renewed_certificate_needs_a_new_session_and_is_no_theft() -> None:
    kept = Sessions(Seconds())
    session = kept.begin("wang", OWN)
    assert refused(lambda: kept.require(session, "wang", OTHER)) == Reason.REASON_SESSION_MISSING
    assert refused(lambda: kept.require(session, "wang", OWN)) == Reason.REASON_SESSION_MISSING


def test_a_person_has_few_sessions_at_a_time_and_takes_none_of_others() -> None:
    kept = Sessions(Seconds())
    other = kept.begin("li", OTHER)
    found = [kept.begin("wang", OWN) for _ in range(sessions.MOST_OF_A_PERSON + 1)]
    assert refused(lambda: kept.require(found[0], "wang", OWN)) == Reason.REASON_SESSION_MISSING
    assert [kept.require(each, "wang", OWN).person for each in found[1:]] == ["wang"] * sessions.MOST_OF_A_PERSON
    assert kept.require(other, "li", OTHER).person == "li"


def test_ids_and_tokens_differ_and_print_nowhere() -> None:
    kept = Sessions(Seconds())
    ids = {kept.begin("wang", OWN) for _ in range(4)}
    found = [kept.require(each, "wang", OWN) for each in ids]
    assert len({*ids, *(each.token for each in found)}) == 8
    assert not any(each.token in repr(each) for each in found)
    assert refused(lambda: found[0].require_token(found[1].token)) == Reason.REASON_FORM_UNTRUSTED
    assert refused(lambda: found[0].require_token("ключ")) == Reason.REASON_FORM_UNTRUSTED


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=200))
def test_any_form_is_read_or_refused(data: str) -> None:
    with suppress(Refused):  # and no other error
        assert isinstance(Fields.parsed(data).text("a"), str)


def test_a_field_that_stands_twice_or_is_not_known_is_refused() -> None:
    fields = Fields.parsed("a=1&b=x%0D%0Ay&b=&c=+2+&a=3")
    assert refused(lambda: fields.text("a")) == Reason.REASON_ATTRIBUTE_UNSUPPORTED
    assert (fields.texts("b"), fields.text("c"), fields.text("none")) == (["x\ny"], "2", "")
    assert refused(lambda: fields.require_known(("a", "b"))) == Reason.REASON_ATTRIBUTE_UNSUPPORTED
    assert refused(lambda: Fields.parsed("a=%FF")) == Reason.REASON_REQUEST_INVALID
    assert refused(lambda: Fields.parsed("&".join(["a=1"] * 300))) == Reason.REASON_REQUEST_INVALID


def test_a_form_whose_bytes_do_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def read_it() -> None:
        never = StreamReader(Mock(_reading_paused=False), 2**16, loop=asyncio.get_running_loop())
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        await form_of(make_mocked_request("POST", "/", headers, payload=never))

    monkeypatch.setattr("gateway.web.console.requests.PATIENCE", 0.0)
    assert refused(lambda: asyncio.run(read_it())) == Reason.REASON_REQUEST_NOT_SENT


def test_a_due_time_says_how_near_it_is_in_words_and_by_a_colour() -> None:
    found = [due_cell(to_timestamp(NOW + timedelta(minutes=left)), NOW) for left in (-90, 0, 60, 180, 3 * 24 * 60)]
    assert [each.badge for each in found] == ["late", "late", "soon", "near", "far"]
    assert found[0].text == "overdue by 1 h 30 min"
    assert found[4].text == "in 3 d"
    assert due_cell(Timestamp(), NOW).text == ""
    assert span(timedelta(minutes=5, seconds=59)) == "5 min"
    assert [span(timedelta(hours=each)) for each in (4, 24, 25)] == ["4 h", "1 d", "1 d 1 h"]


def test_a_reader_has_a_language_of_its_own_and_the_process_keeps_its_own() -> None:
    before = current_language()
    with for_reader("zh", TEXTS):
        assert (current_language(), translated("Work list")) == ("zh", "工作清单")
        with for_reader("en", TEXTS):
            assert (current_language(), translated("Work list")) == ("en", "Work list")
        assert current_language() == "zh"
    assert current_language() == before


def test_a_page_in_english_has_the_names_of_categories_beside_their_codes_and_a_command_the_codes() -> None:
    known = Terms(complaint_categories=[CodeTerm(code="NET_SPEED", name=LocalizedText(en="slow", zh_cn="慢"))])
    with click.Context(click.Command(None)).scope():
        learn(known)
        assert category_name("NET_SPEED") == "NET_SPEED"
    for language, told in (("en", "slow (NET_SPEED)"), ("zh", "慢（NET_SPEED）")):
        with for_reader(language, TEXTS):
            learn(known)
            assert category_name("NET_SPEED") == told


@pytest.mark.parametrize(
    ("path", "act", "name", "place", "label"),
    [
        ("/issues/{id:.+}", "add_actions", "actions.text", "text", "内容"),
        ("/complaints/{id:.+}", "propose", "text", "text", "给客户的处理方案"),
        ("/faults/new", "report", "report.description", "report.description", "内容"),
    ],
)
def test_a_refused_form_names_a_field_by_its_label(path: str, act: str, name: str, place: str, label: str) -> None:
    refusal = invalid(name, "is long", "过长")
    asked = replace(visit(), form=Fields.parsed(f"act={act}&{place}=x"), refused=refusal)
    answers = (GetIssueResponse(issue=issue()), GetComplaintResponse(complaint=complaint()), *network())
    page = written_by(CONSOLE, view_of(path), asked, Answering(*answers), refusal)
    told = f"字段{label}无效：过长。"
    assert (page.count(told), f"字段{name}" in page) == (2, False), "above the page, and beside the field"


def test_hostile_texts_change_no_element_and_no_attribute_of_a_page() -> None:
    require_harmless(full_pages(), full_pages(EVIL))


def require_harmless(pages: Iterable[tuple[str, str]], with_evil: Iterable[tuple[str, str]]) -> None:
    """Fails where EVIL behind each text changes an element or an attribute of a page."""
    for (name, harmless), (_, spoilt) in zip(pages, with_evil, strict=True):
        found = read(spoilt)
        assert structure(found) == structure(read(harmless)), name
        # Imports have hashes and numbers alone.
        assert sum(EVIL in text for text in found.texts) >= (0 if name == "imports" else 3), name
        assert EVIL not in spoilt, name


class _WithoutGuide(Answering):
    """RPCs of a region whose catalogue has the business no more."""

    async def ask(self, rpc: Rpc[M], request: Message) -> M:
        """See Calling."""
        if isinstance(request, GetBusinessGuideRequest):
            raise Refused(Reason.REASON_BUSINESS_UNKNOWN, business=request.business)
        return await super().ask(rpc, request)


@pytest.mark.parametrize(
    ("action", "offered"),
    [
        ("review", ["approve", "return", "reject"]),
        ("fulfil", ["approve", "reject"]),
        ("undo", ["approve", "reject"]),
        ("adjust", ["approve"]),
    ],
)
def test_a_review_offers_what_the_action_that_staff_owe_allows(action: str, offered: list[str]) -> None:
    found = order()
    found.awaiting.action = action
    view = view_of("/orders/{id:.+}")
    assert _decisions(written(view, GetOrderResponse(order=found), guide())) == offered
    pages = [written(view, GetOrderResponse(order=found))]  # of a business without documents
    pages.append(written_by(CONSOLE, view, visit(""), _WithoutGuide(GetOrderResponse(order=found))))
    assert [_decisions(page) for page in pages] == [[each for each in offered if each != "return"]] * 2
    assert ["不能退回" in page for page in pages] == [False, "return" in offered]
    found.home_region = "sichuan"
    assert _decisions(written(view, GetOrderResponse(order=found), guide())) == []


@pytest.mark.parametrize(
    ("owner", "origin", "case", "heading"),
    [
        ("guangdong", "sichuan", "", "答复"),
        ("guangdong", "guangdong", "T2", "答复"),
        ("sichuan", "guangdong", "", "客户所述"),
        ("sichuan", "guangdong", "T2", ""),
        ("sichuan", "hunan", "", ""),
    ],
)
def test_what_another_region_handles_takes_the_words_of_the_customer_alone(
    owner: str, origin: str, case: str, heading: str
) -> None:
    found = complaint()
    found.owner_region, found.origin_region, found.case_id = owner, origin, case
    page = written(view_of("/complaints/{id:.+}"), GetComplaintResponse(complaint=found))
    headings = [each for each in ("答复", "客户所述") if f'<h2 id="respond">{each}</h2>' in page]
    assert headings == [heading] * bool(heading)
    assert ('name="ask"' in page) == (owner == "guangdong")
    assert '<h2 id="note">' in page


@pytest.mark.parametrize("case", ["", "guangdong/20261124-7"])
def test_the_resolution_of_a_case_may_bring_money_and_that_of_its_work_item_offers_none(case: str) -> None:
    found = complaint()
    found.case_id = case
    page = written(view_of("/complaints/{id:.+}"), GetComplaintResponse(complaint=found))
    offered = [each in page for each in ('value="apology"', 'value="refund"', 'value="credit"', 'name="amount"')]
    assert offered == [True, *[not case] * 3]


@pytest.mark.parametrize("origin", ["guangdong", "sichuan"])
def test_a_case_and_its_work_items_lead_to_each_other_in_the_region_that_leads_the_case(origin: str) -> None:
    found = complaint()
    found.origin_region = origin
    found.items.add(number=2, ticket_id=found.ticket_id)
    found.items.add(number=3)
    page = read(written(view_of("/complaints/{id:.+}"), GetComplaintResponse(complaint=found)))
    led_to = [each["href"] for _, each in page.seen if "/complaints/" in each.get("href", "")]
    others = ["/console/complaints/T2", "/console/complaints/guangdong/20261124-1/1"]
    assert [each for each in led_to if not each.endswith("/new")] == others * (origin == "guangdong")
    assert {"T2", "guangdong/20261124-1/1", "guangdong/20261124-1/3"} <= set(page.texts)


def test_no_clock_of_a_complaint_is_overdue_while_the_customer_has_to_answer_but_the_legal_one() -> None:
    found = complaint()
    found.deadlines.add(kind=DeadlineKind.DEADLINE_KIND_LEGAL)
    for each in found.deadlines:
        each.due_time.FromDatetime(NOW - timedelta(days=1))
    found.state = ComplaintState.COMPLAINT_STATE_PENDING
    found.state_changes.add(state=found.state).time.FromDatetime(NOW - timedelta(days=2))
    page = written(view_of("/complaints/{id:.+}"), GetComplaintResponse(complaint=found))
    assert (page.count(">已暂停<"), page.count("逾期")) == (1, 1)


def test_a_complaint_that_is_answered_is_not_overdue_in_a_list() -> None:
    found = complaint()
    found.expected_resolution_time.FromDatetime(NOW - timedelta(days=1))
    for state, overdue in (("IN_PROGRESS", True), ("PENDING", False), ("RESOLVED", False), ("CLOSED", False)):
        found.state = ComplaintState.Value(f"COMPLAINT_STATE_{state}")
        page = written(view_of("/complaints"), ListComplaintsResponse(complaints=[found]))
        assert ("逾期1" in page) == overdue, state


def test_the_work_list_shows_the_nearest_work_and_the_count_of_all() -> None:
    nearest = ListOrdersResponse(orders=[waiting_order(f"R{index}", hours=index) for index in range(100)])
    nearest.next_page_token, nearest.total_size = "T", 151
    page = written(view_of("/work"), nearest)
    shown = [text for text in read(page).texts if text.startswith("R")]
    assert (shown[0], len(shown)) == ("R0", 100)
    assert "<b>151</b>" in page
    assert 'href="/console/orders?awaiting=homeStaff"' in page


@pytest.mark.parametrize(("language", "kinds"), [("en", {"Fault", "Review"}), ("zh", {"故障", "审核"})])
def test_a_piece_of_work_is_named_as_one_and_not_as_many(language: str, kinds: set[str]) -> None:
    view, asked = view_of("/work"), visit("")
    answers = (
        ListOrdersResponse(orders=[waiting_order("R1", hours=1)]),
        ListFaultsResponse(faults=[waiting_fault("F1", hours=1)]),
    )
    found = asyncio.run(read_by(view, asked, Answering(*answers)))
    with for_reader(language, TEXTS):
        table = view.show(asked, found).tables[0]
    assert {cell.note for row in table.rows for cell in row if cell.scope == "row"} == kinds


def test_the_work_list_finds_the_most_overdue_behind_pages_of_newer_faults() -> None:
    pages = [ListFaultsResponse(next_page_token=f"T{page}") for page in range(3)]
    pages[1].faults.extend([waiting_fault(f"F{index}", hours=1) for index in range(150)])
    page = written(view_of("/work"), *pages, ListFaultsResponse(faults=[waiting_fault("F-oldest", hours=-100)]))
    shown = [text for text in read(page).texts if text.startswith("F")]
    assert (shown[0], len(shown)) == ("F-oldest", 100)
    assert "<b>151</b>" in page


@pytest.mark.parametrize("name", ["orders", "faults"])
def test_a_work_list_that_cannot_look_at_all_says_so(name: str) -> None:
    endless: dict[str, Message] = {
        "orders": ListOrdersResponse(orders=[waiting_order("R1", hours=1)], next_page_token="T"),
        "faults": ListFaultsResponse(faults=[waiting_fault("F1", hours=1)], next_page_token="T"),
    }
    page = written(view_of("/work"), endless[name])
    assert "<b>1+</b>" in page
    assert ('class="notice"' in page, f'href="/console/{name}' in page) == (True, True)


def test_the_envelopes_of_an_order_are_all_there_or_the_page_says_that_there_are_more() -> None:
    first, last = proofs(), proofs()
    first.next_page_token, last.proofs[0].envelope_id = "T", "E-last"
    view, found = view_of("/orders/{id:.+}"), GetOrderResponse(order=order())
    whole = written(view, found, first, last, query="hops=signed")
    assert ("E-last" in whole, "信封不止" in whole) == (True, False)
    assert "信封不止这4个" in written(view, found, first, query="hops=signed")


def test_a_filter_that_the_names_do_not_list_stays_chosen() -> None:
    page = written(view_of("/orders"), ListOrdersResponse(), query="business=LATER")
    assert '<option value="LATER" selected>LATER</option>' in page


def test_without_the_names_of_the_federation_pages_have_those_read_before_and_there_is_no_page_without_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: list[Refused | GetTermsResponse] = [
        Refused(Reason.REASON_STORE_UNAVAILABLE),
        GetTermsResponse(terms=Terms(businesses=[CodeTerm(code="PAY")])),
        Refused(Reason.REASON_STORE_UNAVAILABLE),
    ]

    class Calls:
        async def call(self, path: str, arrival: object) -> Message:
            answer = answers.pop(0)
            if isinstance(answer, Refused):
                raise answer
            return answer

    monkeypatch.setattr("gateway.web.console.application.certificates_of", lambda _: {})
    served = ConsoleApplication(CONSOLE, cast("InProcess", Calls()), cast("BorderPorts", None))
    request = make_mocked_request("GET", "/console/work")
    assert refused(lambda: asyncio.run(served.terms(request))) == Reason.REASON_STORE_UNAVAILABLE
    found = [asyncio.run(served.terms(request)) for _ in range(2)]
    assert [each.businesses[0].code for each in found] == ["PAY", "PAY"]


def waiting_order(order_id: str, *, hours: int) -> Order:
    """An order that waits for staff of Guangdong, due in so many hours."""
    found = order()
    found.id = order_id
    found.awaiting.due_time.CopyFrom(to_timestamp(NOW + timedelta(hours=hours)))
    return found


def waiting_fault(fault_id: str, *, hours: int) -> Fault:
    """A fault that staff of Guangdong work on, due in so many hours."""
    found = fault()
    found.id = fault_id
    found.outages[0].due_time.CopyFrom(to_timestamp(NOW + timedelta(hours=hours)))
    return found


def _decisions(page: str) -> list[str]:
    return [str(each["value"]) for _, each in read(page).seen if each.get("name") == "decision"]


def test_every_field_has_a_label_every_table_a_head_and_no_page_has_a_style_or_a_handler_of_its_own() -> None:
    require_well_formed(full_pages())


def require_well_formed(pages: Iterable[tuple[str, str]]) -> None:
    """Fails for a field or a command without a label, a table without a head, a second heading, a style or a handler.

    The keyboard has to reach a command, too, which scrolls sideways.
    """
    for name, page in pages:
        found = read(page)
        labelled = {attributes.get("for") for tag, attributes in found.seen if tag == "label"}
        fields = [attributes for tag, attributes in found.seen if tag in ("select", "textarea")]
        assert all(each["id"] in labelled for each in fields), name
        tags = [tag for tag, _ in found.seen]
        assert tags.count("thead") == tags.count("table"), name
        assert tags.count("h1") == tags.count("main") == 1, name
        ids = {attributes.get("id") for _, attributes in found.seen}
        for each in (attributes for tag, attributes in found.seen if tag == "pre"):
            assert (each.get("role"), each.get("tabindex")) == ("group", "0"), name
            assert each.get("aria-label") or each["aria-labelledby"] in ids, name
        names = {attribute for _, attributes in found.seen for attribute in attributes}
        assert not {each for each in names if each.startswith("on")} | names & {"style"}, name
        assert "style" not in tags, name


def test_the_pages_of_a_console_name_rpcs_of_the_contract_and_their_answers() -> None:
    require_known_rpcs(CONSOLE)


def require_known_rpcs(served: WebConsole) -> None:
    """Fails where a page names no RPC of the contract, or another answer than that of the RPC."""
    for view in served.views:
        for rpc in (*view.rpcs, *(form.rpc for form in view.forms)):
            service, _, method = rpc.path.removeprefix("/").rpartition("/")
            # The answer's module is imported, so that its file with the service is in the pool.
            found = rpc.answer.DESCRIPTOR.file.pool.FindServiceByName(service).methods_by_name[method]
            assert found.output_type.full_name == rpc.answer.DESCRIPTOR.full_name, rpc.path
