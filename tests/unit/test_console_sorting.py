"""Lists of the consoles in the order of a column: headings that lead there, and pages out of the whole list."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import cast
from urllib.parse import parse_qs, urlsplit

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.coordinator.v1.administration_pb2 import ListOrderSummariesResponse
from gateway.api.coordinator.v1.complaint_oversight_service_pb2 import ListComplaintHeadersResponse
from gateway.api.coordinator.v1.issue_service_pb2 import ListIssueHeadersResponse
from gateway.api.coordinator.v1.problem_service_pb2 import ListProblemsResponse
from gateway.api.coordinator.v1.risk_service_pb2 import ListRisksRequest, ListRisksResponse, Risk, RiskState
from gateway.api.region.v1.audit_service_pb2 import AuditRow, ListAuditRowsRequest, ListAuditRowsResponse
from gateway.api.region.v1.complaint_service_pb2 import ListComplaintsResponse
from gateway.api.region.v1.fault_service_pb2 import ListFaultsResponse
from gateway.api.region.v1.issue_service_pb2 import ListIssuesResponse
from gateway.api.region.v1.joint_order_service_pb2 import ListJointOrdersResponse
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.region.v1.order_service_pb2 import ListOrdersRequest, ListOrdersResponse
from gateway.api.region.v1.support_service_pb2 import ListSupportRequestsResponse
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.pages import page_after
from gateway.time.clock import to_timestamp
from gateway.web.console.exports import exported
from gateway.web.console.lists import ListPage
from gateway.web.console.pages import Calling, Rpc, Shown, View, WebConsole
from gateway.web.tables import Table
from gateway.wording.languages import for_reader
from tests.unit.console_pages import (
    CONSOLE,
    NOW,
    STAFF,
    Answering,
    M,
    complaint,
    fault,
    issue,
    joint_order,
    order,
    refused,
    shown_by,
    support_request,
    view_of,
    visit,
    written_by,
)
from tests.unit.joint_answers import joint_orders
from tests.unit.network_answers import problem
from tests.unit.test_complaint_report import read
from tests.unit.test_coordinator_console import ADMIN, risks
from tests.unit.test_coordinator_console import CONSOLE as OF_COORDINATOR

ORDERS = view_of("/orders")
MOST = 2_000  # entries that are sorted


class Listing(Calling):
    """An RPC with a list of orders, the newest first, and all that was asked of it."""

    def __init__(self, orders: Sequence[Order]) -> None:
        self._orders = orders
        self.asked: list[ListOrdersRequest] = []

    async def ask(self, rpc: Rpc[M], request: Message) -> M:
        assert isinstance(request, ListOrdersRequest)
        self.asked.append(request)
        page, token = page_after(
            "orders",
            self._orders,
            lambda each: each.id,
            request.page_size,
            request.page_token,
            in_reverse=request.in_reverse,
        )
        return cast("M", ListOrdersResponse(orders=page, next_page_token=token))


def orders(dues: Sequence[int | None]) -> Sequence[Order]:
    """Orders that are due after so many minutes, in the order of their list; None for one without a due time."""
    found = []
    for number, minutes in enumerate(dues):
        found.append(Order(id=f"O{number:04}"))
        if minutes is not None:
            found[-1].awaiting.due_time.CopyFrom(to_timestamp(NOW + timedelta(minutes=minutes)))
    return found


def page_of(calling: Calling, query: str) -> Shown:
    """A page of the list of orders."""
    return shown_by(CONSOLE, ORDERS, visit(query), calling)


def ids(shown: Shown) -> list[str]:
    """The orders of a page."""
    return [row[0].text for row in shown.tables[-1].rows]


def query_of(address: str) -> str:
    """The query of an address."""
    return urlsplit(address).query


def directions(table: Table) -> dict[str, str]:
    """The headings by which the rows of a table come, each with its direction."""
    return {each.text: each.sort for each in table.head if each.sort}


def test_a_list_is_sorted_by_a_column_through_all_its_pages_and_entries_without_a_value_come_last() -> None:
    dues = [(number * 37) % 120 if number % 10 else None for number in range(120)]
    calling = Listing(orders(dues))
    due = [number for number, minutes in enumerate(dues) if minutes is not None]
    without = [number for number, minutes in enumerate(dues) if minutes is None]
    for sort, is_falling in (("due_time", False), ("-due_time", True)):
        found, query = list[str](), f"sort={sort}&state=held"
        while query:
            shown = page_of(calling, query)
            found += ids(shown)
            links = [query_of(each.href) for each in cast("ListPage", shown.page).pages]
            query = next((each for each in links if "page=" in each), "")
            assert all({"sort": [sort], "state": ["held"]}.items() <= parse_qs(each).items() for each in links)
        due.sort(key=lambda each: dues[each] or 0, reverse=is_falling)
        assert found == [f"O{number:04}" for number in (*due, *without)]


@pytest.mark.parametrize(
    ("query", "in_reverse"), [("", False), ("sort=-create_time", False), ("sort=create_time", True)]
)
def test_a_page_in_an_order_of_the_rpc_is_one_call_for_its_rows_alone(query: str, in_reverse: bool) -> None:
    calling = Listing(orders([None] * (MOST + 100)))
    assert len(ids(page_of(calling, query))) == 50
    assert [(each.page_size, each.in_reverse) for each in calling.asked] == [(50, in_reverse)]


def test_a_list_that_is_too_long_to_be_sorted_says_how_to_narrow_it_and_keeps_its_order_beside_its_filters() -> None:
    most, calling = Listing(orders([None] * MOST)), Listing(orders([None] * (MOST + 1)))
    assert [len(ids(page_of(each, "sort=due_time"))) for each in (most, calling)] == [50, 0]
    assert [[each.page_size for each in one.asked] for one in (most, calling)] == [4 * [500], [*4 * [500], 1]]
    page = written_by(CONSOLE, ORDERS, visit("sort=due_time&state=held"), calling)
    told = read(page)
    assert [each for each in told.texts if "2000" in each and "请用筛选条件缩小范围" in each]
    assert {"name": "sort", "value": "due_time", "type": "hidden"} in [each for _, each in told.seen]
    assert "没有记录" not in page
    links = [query_of(str(each["href"])) for tag, each in told.seen if tag == "a" and "href" in each]
    assert "state=held" in links, "the list in its own order, with the same filters"
    with for_reader("en", CONSOLE.texts):
        data = asyncio.run(_data(calling, "sort=due_time"))
        assert "select fewer by filters" in (exported(ORDERS.show(visit("sort=due_time"), data), "csv").text or "")


def test_a_list_is_sorted_where_most_pages_of_its_rpc_have_few_rows() -> None:
    class Sparse(Calling):
        async def ask(self, rpc: Rpc[M], request: Message) -> M:
            assert isinstance(request, ListOrdersRequest)
            place = int(request.page_token or 0)
            found = orders([None, None, 2, None, 1, None])[place : place + 1] if place % 2 == 0 else ()
            return cast("M", ListOrdersResponse(orders=found, next_page_token=str(place + 1) if place < 5 else ""))

    assert ids(page_of(Sparse(), "sort=due_time&state=failed")) == ["O0004", "O0002", "O0000"]


async def _data(calling: Calling, query: str) -> object:
    return await ORDERS.read(visit(query), calling)


@pytest.mark.parametrize("sort", ["awaiting", "due_time,awaiting", "--due_time", "due_time,-due_time", ","])
def test_an_unknown_column_is_refused_before_anything_is_read(sort: str) -> None:
    calling = Listing(orders([1]))
    expected = Reason.REASON_REQUEST_INVALID if sort.count("due_time") > 1 else Reason.REASON_ATTRIBUTE_UNSUPPORTED
    assert refused(lambda: page_of(calling, f"sort={sort}")) == expected
    assert not calling.asked


def test_a_refusal_of_the_rpc_is_that_of_the_page_in_any_order() -> None:
    class Refusing(Calling):
        async def ask(self, rpc: Rpc[M], request: Message) -> M:
            raise Refused(Reason.REASON_STORE_UNAVAILABLE)

    assert refused(lambda: page_of(Refusing(), "")) == Reason.REASON_STORE_UNAVAILABLE
    assert refused(lambda: page_of(Refusing(), "sort=due_time")) == Reason.REASON_STORE_UNAVAILABLE


def test_a_heading_leads_to_its_order_then_to_the_reverse_and_keeps_the_filters_but_not_the_page() -> None:
    calling = Listing(orders([3, 1, 2]))
    first = page_of(calling, "state=held").tables[-1]
    assert list(directions(first).values()) == ["descending"], "the newest first"
    for sort, direction, following in (("due_time", "ascending", "-due_time"), ("-due_time", "descending", "due_time")):
        shown = page_of(calling, f"sort={sort}&state=held")
        table = shown.tables[-1]
        assert list(directions(table).values()) == [direction]
        assert parse_qs(query_of(table.head[4].href)) == {"state": ["held"], "sort": [following]}
        assert not table.order, "it would speak of another order"
    assert [bool(each.href) for each in first.head] == [True, True, True, False, True, False, True]
    page = read(written_by(CONSOLE, ORDERS, visit("sort=-due_time"), calling))
    assert [each.get("scope") for _, each in page.seen if each.get("aria-sort") == "descending"] == ["col"]


def test_files_have_the_rows_of_the_page_in_its_order() -> None:
    shown = page_of(Listing(orders([3, 1, 2])), "sort=due_time&format=csv")
    lines = (exported(shown, "csv").text or "").splitlines()
    assert [each.split(",")[0].split(";")[0] for each in lines[1:4]] == ["O0001", "O0002", "O0000"]


def coordinator_order() -> ListOrderSummariesResponse:
    """The summary of an order."""
    found = ListOrderSummariesResponse()
    found.orders.add(id="sichuan/counter/R1")
    return found


def headers() -> ListComplaintHeadersResponse:
    """The header of a complaint."""
    found = ListComplaintHeadersResponse()
    found.complaints.add(ticket_id="C1")
    return found


def issue_headers() -> ListIssueHeadersResponse:
    """The header of an issue."""
    found = ListIssueHeadersResponse()
    found.issues.add(id="I1")
    return found


LISTS: Sequence[tuple[WebConsole, str, Callable[[], Message]]] = [
    (CONSOLE, "/orders", lambda: ListOrdersResponse(orders=[order()])),
    (CONSOLE, "/joint-orders", lambda: ListJointOrdersResponse(orders=[joint_order()])),
    (CONSOLE, "/complaints", lambda: ListComplaintsResponse(complaints=[complaint()])),
    (CONSOLE, "/faults", lambda: ListFaultsResponse(faults=[fault()])),
    (CONSOLE, "/support", lambda: ListSupportRequestsResponse(requests=[support_request()])),
    (CONSOLE, "/issues", lambda: ListIssuesResponse(issues=[issue()])),
    (OF_COORDINATOR, "/orders", coordinator_order),
    (OF_COORDINATOR, "/joint-orders", joint_orders),
    (OF_COORDINATOR, "/complaints", headers),
    (OF_COORDINATOR, "/problems", lambda: ListProblemsResponse(problems=[problem().problem])),
    (OF_COORDINATOR, "/issues", issue_headers),
    (OF_COORDINATOR, "/risks", risks),
]


@pytest.mark.parametrize(("served", "path", "answer"), LISTS, ids=[f"{each.brand()} {path}" for each, path, _ in LISTS])
def test_each_heading_that_is_a_link_sorts_its_list_in_both_directions(
    served: WebConsole, path: str, answer: Callable[[], Message]
) -> None:
    view: View = next(each for each in served.views if each.path == path)

    def table_of(query: str) -> Table:
        person = STAFF if served is CONSOLE else ADMIN
        return shown_by(served, view, visit(query, person), Answering(answer())).tables[-1]

    links = {each.text: each.href for each in table_of("").head if each.href}
    assert len(links) >= 4
    for title, href in links.items():
        query, found = query_of(href), []
        for _ in range(2):
            table = table_of(query)
            assert table.rows
            found.append(directions(table))
            query = query_of(next(each.href for each in table.head if each.text == title))
        assert sorted(each[title] for each in found) == ["ascending", "descending"]
        assert all(len(each) == 1 for each in found)


class Chain(Calling):
    """An audit chain of two rows."""

    async def ask(self, rpc: Rpc[M], request: Message) -> M:
        answer = rpc.answer()
        if isinstance(request, ListAuditRowsRequest):
            rows = [AuditRow(sequence=1), AuditRow(sequence=2)]
            cast("ListAuditRowsResponse", answer).rows.extend(rows if request.in_reverse else rows[::-1])
        return answer


def test_the_audit_chain_is_read_in_both_directions_and_in_no_other_order() -> None:
    view, told = view_of("/audit"), {}
    for sort in ("", "sequence", "-sequence"):
        table = shown_by(CONSOLE, view, visit(f"sort={sort}"), Chain()).tables[-1]
        told[sort] = [row[0].text for row in table.rows], list(directions(table).values())
    newest = ["2", "1"], ["descending"]
    assert told == {"": newest, "-sequence": newest, "sequence": (["1", "2"], ["ascending"])}
    for sort in ("time", "actor", "sequence,time"):
        reason = refused(partial(shown_by, CONSOLE, view, visit(f"sort={sort}"), Chain()))
        assert reason == Reason.REASON_ATTRIBUTE_UNSUPPORTED, sort


def test_a_list_filtered_by_time_has_the_order_of_that_filter() -> None:
    view: View = next(each for each in OF_COORDINATOR.views if each.path == "/complaints")
    found = [
        list(directions(shown_by(OF_COORDINATOR, view, visit(query, ADMIN), Answering(headers())).tables[-1]).values())
        for query in ("only=unclassified", "only=overdue", "only=soon")
    ]
    assert found == [["descending"], ["ascending"], ["ascending"]]


def test_a_region_that_has_not_answered_is_named_once_for_a_list_of_several_pages() -> None:
    first, second = ListOrderSummariesResponse(next_page_token="more"), ListOrderSummariesResponse()
    for each in (first, second):
        each.orders.add(id="sichuan/counter/R1").create_time.CopyFrom(Timestamp(seconds=1))
        each.unanswered.add(region="henan", reason=Reason.REASON_REGION_SUSPENDED)
    view: View = next(each for each in OF_COORDINATOR.views if each.path == "/orders")
    shown = shown_by(OF_COORDINATOR, view, visit("sort=state", ADMIN), Answering(first, second))
    assert (len(shown.tables[-1].rows), len(shown.notes)) == (2, 1)


def test_a_list_that_its_rpc_does_not_give_in_reverse_is_sorted_in_reverse() -> None:
    answer = ListOrderSummariesResponse()
    for second in (3, 2, 1):
        answer.orders.add(id=f"R{second}").create_time.CopyFrom(Timestamp(seconds=second))
    view: View = next(each for each in OF_COORDINATOR.views if each.path == "/orders")
    shown = shown_by(OF_COORDINATOR, view, visit("sort=create_time", ADMIN), Answering(answer))
    assert ids(shown) == ["R1", "R2", "R3"]


class Register(Calling):
    """A register with as many risks, each as likely and as grave as the others, by their ids."""

    def __init__(self, count: int) -> None:
        self._rules = risks().rules
        states = RiskState.RISK_STATE_OPEN, RiskState.RISK_STATE_TREATED
        self._risks = [Risk(id=f"R{each:04}", likelihood=1, impact=1, state=states[each % 2]) for each in range(count)]

    async def ask(self, rpc: Rpc[M], request: Message) -> M:
        assert isinstance(request, ListRisksRequest)
        page, token = page_after("risks", self._risks, lambda each: each.id, request.page_size, request.page_token)
        rules = None if request.page_token else self._rules
        return cast("M", ListRisksResponse(rules=rules, risks=page, next_page_token=token))


def register_by(sort: str, count: int) -> Shown:
    """The page of a register of as many risks."""
    view: View = next(each for each in OF_COORDINATOR.views if each.path == "/risks")
    return shown_by(OF_COORDINATOR, view, visit(f"sort={sort}", ADMIN), Register(count))


def test_the_matrix_of_risks_is_the_same_in_each_order_of_the_register() -> None:
    matrices = [register_by(sort, 600).tables[0] for sort in ("", "score", "state", "-state", "owner_region")]
    assert matrices[0].rows[0][1].text == "500"
    assert [each.rows for each in matrices] == [matrices[0].rows] * len(matrices)


def test_a_register_too_long_to_be_sorted_has_no_matrix_on_its_page_and_in_its_files() -> None:
    shown = register_by("state", MOST + 1)
    assert [len(each.rows) for each in shown.tables] == [0]
    assert isinstance(shown.page, ListPage)
    assert not shown.page.above
    assert "Likelihood" not in (exported(shown, "csv").text or "")


def test_the_work_list_is_sorted_by_due_time_kind_and_since_when_and_its_tiles_and_filter_keep_the_order() -> None:
    reviews, issues = ListOrdersResponse(orders=[order(), order()]), ListIssuesResponse(issues=[issue()])
    for each, (name, due, since) in zip(reviews.orders, (("R1", 1, 7), ("R2", 0, 9)), strict=True):
        each.id, each.awaiting.due_time.seconds, each.awaiting.since_time.seconds = name, due, since
    issues.issues[0].id, issues.issues[0].state_changes[0].time.seconds = "I1", 8

    def shown(sort: str, more: str = "") -> Shown:
        query = f"sort={sort}{more}" if sort else more
        return shown_by(CONSOLE, view_of("/work"), visit(query), Answering(reviews, issues))

    def ids(sort: str) -> list[str]:
        return [row[1].text for row in shown(sort).tables[0].rows]

    orders = {
        "": ["R1", "I1", "R2"],
        "due_time": ["R1", "I1", "R2"],
        "-due_time": ["I1", "R1", "R2"],
        "kind": ["I1", "R1", "R2"],
        "-kind": ["R1", "R2", "I1"],
        "since_time": ["R1", "I1", "R2"],
        "-since_time": ["R2", "I1", "R1"],
        "-kind,-since_time": ["R2", "R1", "I1"],
    }
    assert {sort: ids(sort) for sort in orders} == orders
    heads = {cell.text: (cell.href, cell.sort) for cell in shown("-kind", "&within=168").tables[0].head if cell.href}
    assert heads["待办"] == ("/console/work?within=168&sort=kind", "descending")
    assert heads["开始时间"] == ("/console/work?within=168&sort=since_time", "")
    in_words = [bool(shown(sort).tables[0].order) for sort in ("", "due_time", "-due_time", "kind")]
    assert in_words == [True, True, False, False]
    page = written_by(CONSOLE, view_of("/work"), visit("sort=kind"), Answering(reviews, issues))
    assert all(each in page for each in ('<input type="hidden" name="sort" value="kind">', "kind=issues&amp;sort=kind"))
    assert refused(lambda: shown("state")) == Reason.REASON_ATTRIBUTE_UNSUPPORTED


def test_the_audit_rows_name_acts_in_words_with_the_name_that_the_filter_takes() -> None:
    path, found = "/gateway.api.region.v1.OrderService/GetOrder", ListAuditRowsResponse()
    for action, subject in (
        ("GetOrder", "o-1"),
        ("ENVELOPE_KIND_ORDER_SUBMIT", "o-1"),
        ("DENIED", path),
        ("LaterAct", "o-1"),
    ):
        found.rows.add(action=action, subject=subject)
    rows = shown_by(CONSOLE, view_of("/audit"), visit(), Answering(found)).tables[-1].rows
    assert [[(cell.text, cell.note) for cell in row[3:5]] for row in rows] == [
        [("查看订单", "GetOrder"), ("o-1", "")],
        [("订单提交", "ENVELOPE_KIND_ORDER_SUBMIT"), ("o-1", "")],
        [("已拒绝", ""), ("查看订单", path)],
        [("LaterAct", ""), ("o-1", "")],
    ]
