"""The work list: everything that waits for the staff of the region, with the nearest due time first."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1.complaint_pb2 import ComplaintStateChange
from gateway.api.region.v1.complaint_service_pb2 import ListComplaintsRequest, ListComplaintsResponse
from gateway.api.region.v1.fault_pb2 import FaultStateChange
from gateway.api.region.v1.fault_service_pb2 import FoundPlace, ListFaultsRequest, ListFaultsResponse
from gateway.api.region.v1.issue_pb2 import IssueStateChange
from gateway.api.region.v1.issue_service_pb2 import ListIssuesRequest, ListIssuesResponse
from gateway.api.region.v1.joint_order_service_pb2 import ListJointOrdersRequest, ListJointOrdersResponse
from gateway.api.region.v1.order_pb2 import Party
from gateway.api.region.v1.order_service_pb2 import ListOrdersRequest, ListOrdersResponse
from gateway.api.region.v1.support_request_pb2 import SupportStateChange
from gateway.api.region.v1.support_service_pb2 import ListSupportRequestsRequest, ListSupportRequestsResponse
from gateway.errors import Refused, invalid
from gateway.time.clock import to_timestamp
from gateway.web.console.frames import Link, Refusal, refusal_of
from gateway.web.console.lists import chosen_word
from gateway.web.console.order_parts import order_state
from gateway.web.console.pages import Calling, Shown, View, Visit, unless_refused
from gateway.web.console.parts import Choice, Option, by_due, due_cell, span
from gateway.web.console.saved_filters import SavedFilters, shown_filters
from gateway.web.console.sorting import Column, Rows
from gateway.web.enum_words import told_word
from gateway.web.selecting import SORT
from gateway.web.tables import Cell, Table
from gateway.wording.complaints import state_word
from gateway.wording.joint_orders import waits
from gateway.wording.languages import enumerated, headed, translated
from gateway.wording.refusals import told_error
from gateway.wording.terms import business_name, category_name, joint_item_name, region_name
from gateway.wording.times import told_if_set
from region_node.business.joint import rules as joint
from region_node.business.orders import rules as orders
from region_node.care.complaints import rules as complaints
from region_node.care.issues import rules as issues
from region_node.care.issues.course import issue_state
from region_node.console import complaint, fault, issue, joint_order, rpcs, support_request
from region_node.console import complaints as complaint_list
from region_node.console import faults as fault_list
from region_node.console import issues as issue_list
from region_node.console import joint_orders as joint_order_list
from region_node.console import orders as order_list
from region_node.console import support as support_list
from region_node.console.lists import pages_of
from region_node.console.places import names_of, read_places
from region_node.console.words import due_time, fault_due, fault_severity, fault_state, order_path, support_state
from region_node.network.faults import rules as faults
from region_node.network.faults.course import place_of
from region_node.network.support import rules as support

PATH = "/work"
_KIND, _WITHIN = "kind", "within"
_QUERY = (_KIND, _WITHIN, SORT)
_MOST = 100  # of a kind on the page: those with the nearest due time
_ROWS, _PAGES = 500, 8  # of a page by gRPC, and pages of these, where the newest come first
_HOURS = ("0", "4", "24", "72", "168")
L = TypeVar(
    "L",
    ListJointOrdersResponse,
    ListOrdersResponse,
    ListComplaintsResponse,
    ListFaultsResponse,
    ListSupportRequestsResponse,
    ListIssuesResponse,
)
N = TypeVar("N", ListOrdersResponse, ListComplaintsResponse)
_Change = ComplaintStateChange | FaultStateChange | SupportStateChange | IssueStateChange
_Answers = Sequence[L] | Refused
"""The pages of one kind."""


@dataclass(frozen=True)
class _Lists:
    orders: _Answers[ListOrdersResponse] = field(repr=False)
    joint_orders: _Answers[ListJointOrdersResponse] = field(repr=False)
    complaints: _Answers[ListComplaintsResponse] = field(repr=False)
    faults: _Answers[ListFaultsResponse] = field(repr=False)
    support: _Answers[ListSupportRequestsResponse] = field(repr=False)
    issues: _Answers[ListIssuesResponse] = field(repr=False)
    places: Sequence[FoundPlace] = field(repr=False)


@dataclass(frozen=True)
class _Waiting:
    """A piece of work."""

    id: str
    what: str = field(repr=False)
    state: str
    origin: str
    since: Timestamp
    """The time from which it is in its state."""
    due: Timestamp
    path: str
    """Of its page."""


@dataclass(frozen=True)
class _Kind:
    """The work of one kind."""

    key: str
    title: str
    waiting: Sequence[_Waiting] = ()
    count: int = 0
    is_least: bool = False
    """Whether there may be more than `count`."""
    lacks_oldest: bool = False
    """Whether the oldest rows were not looked at, which the page would show first."""
    refused: Refused | None = None

    @property
    def is_cut(self) -> bool:
        """Whether the page shows only those with the nearest due time."""
        return self.count > min(len(self.waiting), _MOST) or (self.is_least and not self.lacks_oldest)


@dataclass(frozen=True)
class _Tile:
    """The count of a kind, which leads to its work alone."""

    count: str
    title: str
    href: str
    is_chosen: bool


@dataclass(frozen=True)
class _Page:
    """The work list as `work_list.html.j2` shows it."""

    tiles: Sequence[_Tile]
    refusals: Sequence[Refusal]
    kind: str
    sort: str
    """The order that the address names, which the filter keeps."""
    within: Choice
    apply: str
    more: Sequence[str]
    """What the page does not have."""
    lists: Sequence[Link]
    """Where all of it is; empty where the page has all."""
    saved: SavedFilters
    table: Table
    empty: str


async def _read(visit: Visit, calling: Calling) -> _Lists:
    reviews = ListOrdersRequest(for_staff=True, page_size=_MOST, show_total_size=True)
    joint_ones = ListJointOrdersRequest(page_size=_ROWS, states=joint.AT_WORK)
    at_desk = ListComplaintsRequest(for_staff=True, page_size=_MOST, show_total_size=True)
    broken = ListFaultsRequest(page_size=_ROWS, states=[*(faults.UNREPAIRED - {faults.PENDING}), faults.RESOLVED])
    asked = ListSupportRequestsRequest(
        page_size=_ROWS, states=[support.ACKNOWLEDGED, support.IN_PROGRESS, support.RESOLVED]
    )
    open_ones = ListIssuesRequest(page_size=_ROWS, states=issues.OPEN)
    if (within := _within(visit)) is not None:
        for request in (reviews, at_desk, broken):
            request.due_within.FromTimedelta(within)
    # Together: their audit rows share a commit, and the page waits for the disk once.
    found = asyncio.gather(
        unless_refused(pages_of(calling, rpcs.LIST_ORDERS, reviews, 1)),
        unless_refused(pages_of(calling, rpcs.LIST_JOINT_ORDERS, joint_ones, _PAGES)),
        unless_refused(pages_of(calling, rpcs.LIST_COMPLAINTS, at_desk, 1)),
        unless_refused(pages_of(calling, rpcs.LIST_FAULTS, broken, _PAGES)),
        unless_refused(pages_of(calling, rpcs.LIST_SUPPORT_REQUESTS, asked, _PAGES)),
        unless_refused(pages_of(calling, rpcs.LIST_ISSUES, open_ones, _PAGES)),
    )
    lists, places = await asyncio.gather(found, read_places(calling))
    return _Lists(*lists, places)


def _within(visit: Visit) -> timedelta | None:
    """The chosen time until the due time; None for any. Raises Refused for another one."""
    said = chosen_word(visit, _WITHIN, _HOURS)
    return timedelta(hours=int(said)) if said else None


def _show(visit: Visit, found: _Lists) -> Shown:
    kinds, chosen, within = _kinds(visit, found), visit.query.text(_KIND), visit.query.text(_WITHIN)
    if chosen not in ("", *(each.key for each in kinds)):
        raise invalid(_KIND, "is no kind of work", "不是已知的工作类别")
    shown = [each for each in kinds if chosen in ("", each.key)]
    rows = [(each, work) for each in shown for work in each.waiting[:_MOST]]
    sort = visit.query.text(SORT)
    page = _Page(
        tiles=[
            _Tile(
                _counted(kinds),
                translated("All"),
                visit.address(PATH, within=within, sort=sort),
                is_chosen=not chosen,
            ),
            *(
                _Tile(
                    _counted([each]),
                    each.title,
                    visit.address(PATH, kind=each.key, within=within, sort=sort),
                    is_chosen=each.key == chosen,
                )
                for each in kinds
            ),
        ],
        refusals=[refusal_of(each.refused) for each in shown if each.refused is not None],
        kind=chosen,
        sort=sort,
        within=Choice(_WITHIN, translated("Due"), _spans(), within),
        apply=translated("Show"),
        more=list(_more(shown)),
        lists=list(_lists(visit, shown)),
        saved=shown_filters(visit, PATH, _QUERY),
        table=_COLUMNS.headed(visit, PATH, _table(visit, _COLUMNS.in_order(visit, rows))),
        empty=translated("Nothing waits here."),
    )
    notes = [*(each.text for each in page.refusals), *page.more]
    return Shown("work_list.html.j2", translated("Work list"), page, PATH, [page.table], notes)


def _kinds(visit: Visit, found: _Lists) -> Sequence[_Kind]:
    region, within = visit.person.region, _within(visit)
    until = None if within is None else to_timestamp(visit.now + within)
    names = names_of(found.places)
    return [
        _nearest("reviews", translated("Reviews"), found.orders, partial(_reviews, visit=visit)),
        _kind("joint", translated("Joint orders"), found.joint_orders, partial(_joint, region=region, until=until)),
        _nearest("complaints", translated("Complaints"), found.complaints, partial(_complaints, region=region)),
        _kind("faults", translated("Faults"), found.faults, partial(_faults, region=region, names=names)),
        _kind("support", translated("Support requests"), found.support, partial(_support, region=region, until=until)),
        _kind("issues", translated("Issues"), found.issues, partial(_issues, region=region, until=until)),
    ]


def _kind(key: str, title: str, answers: _Answers[L], work: Callable[[L], Iterable[_Waiting]]) -> _Kind:
    if isinstance(answers, Refused):
        return _Kind(key, title, refused=answers)
    waiting = {each.id: each for answer in answers for each in work(answer)}
    nearest = sorted(waiting.values(), key=lambda each: by_due(each.due))
    has_more = bool(answers[-1].next_page_token)
    return _Kind(key, title, nearest, len(nearest), is_least=has_more, lacks_oldest=has_more)


def _nearest(key: str, title: str, answers: _Answers[N], work: Callable[[N], Iterable[_Waiting]]) -> _Kind:
    """The work of a kind whose list has the nearest due time first, and is counted."""
    kind = _kind(key, title, answers, work)
    if isinstance(answers, Refused) or not kind.is_least:
        return kind
    first = answers[0]
    if not first.HasField("total_size"):
        return replace(kind, lacks_oldest=False)
    return replace(kind, count=first.total_size, is_least=False, lacks_oldest=False)


def _is_due(due: Timestamp, until: Timestamp | None) -> bool:
    """Whether a piece of work is due until an instant, if one was chosen."""
    return until is None or by_due(due) <= by_due(until)


def _reviews(answer: ListOrdersResponse, visit: Visit) -> Iterator[_Waiting]:
    for each in answer.orders:
        about, why = business_name(each.request.business), told_error(each.error)
        what = headed(about, why) if why else about
        awaiting = translated(each.awaiting.action) or order_state(each.state)
        if orders.had_part(each, visit.person.region, visit.person.name):
            awaiting = translated("{action}, by a colleague", action=awaiting)
        yield _Waiting(
            each.id,
            what,
            awaiting,
            each.origin_region,
            each.awaiting.since_time,
            each.awaiting.due_time,
            order_path(each.id),
        )


def _joint(answer: ListJointOrdersResponse, region: str, until: Timestamp | None) -> Iterator[_Waiting]:
    for each in answer.orders:
        business, path = each.request.business, joint_order.path_of(each.id)
        for awaiting, awaited in waits(each):
            if joint.is_work_of(each, awaiting, region) and _is_due(awaiting.due_time, until):
                what = headed(business_name(business), joint_item_name(business, awaiting.item_id))
                name = f"{each.id} {awaiting.item_id}"
                yield _Waiting(name, what, awaited, each.leader_region, awaiting.since_time, awaiting.due_time, path)


def _complaints(answer: ListComplaintsResponse, region: str) -> Iterator[_Waiting]:
    for each in answer.complaints:
        if complaints.is_work_of(each, region):
            about = category_name(each.request.category) or translated("not classified")
            state = enumerated([state_word(each.state), *([f"L{each.level}"] if each.level else [])])
            due, path = each.expected_resolution_time, complaint.path_of(each.ticket_id)
            yield _Waiting(each.ticket_id, about, state, each.origin_region, _last(each.state_changes), due, path)


def _faults(answer: ListFaultsResponse, region: str, names: Mapping[str, str]) -> Iterator[_Waiting]:
    for each in answer.faults:
        if faults.is_work_of(each, region):
            severity, where = fault_severity(each.severity), place_of(each, names)
            told = headed(severity, where) if where else severity
            path = fault.path_of(each.id)
            yield _Waiting(
                each.id,
                told,
                fault_state(each.state),
                each.origin_region,
                _last(each.state_changes),
                fault_due(each),
                path,
            )


def _support(answer: ListSupportRequestsResponse, region: str, until: Timestamp | None) -> Iterator[_Waiting]:
    for each in answer.requests:
        if support.is_work_of(each, region) and _is_due(Timestamp(), until):
            about = headed(each.inquiry.service, each.inquiry.subject)
            path = support_request.path_of(each.id)
            yield _Waiting(
                each.id,
                about,
                support_state(each.state),
                each.origin_region,
                _last(each.state_changes),
                Timestamp(),
                path,
            )


def _issues(answer: ListIssuesResponse, region: str, until: Timestamp | None) -> Iterator[_Waiting]:
    for each in answer.issues:
        due = due_time(issues.due_for(each, region))
        if due != Timestamp() and _is_due(due, until):
            state, path = issue_state(each.state), issue.path_of(each.id)
            yield _Waiting(
                each.id, each.request.subject, state, each.origin_region, _last(each.state_changes), due, path
            )


def _last(changes: Sequence[_Change]) -> Timestamp:
    """The time of the last change; unset without one."""
    return changes[-1].time if changes else Timestamp()


def _table(visit: Visit, rows: Iterable[tuple[_Kind, _Waiting]]) -> Table:
    return Table(
        label=translated("Work list"),
        head=[
            Cell(translated("Due"), "col"),
            Cell(translated("Work"), "col"),
            Cell(translated("About"), "col"),
            Cell(translated("Waits for"), "col"),
            Cell(translated("From"), "col"),
            Cell(translated("Since"), "col"),
        ],
        rows=[
            [
                due_cell(each.due, visit.now),
                Cell(each.id, "row", href=visit.address(each.path), note=_one_of(kind)),
                Cell(each.what),
                Cell(each.state),
                Cell(region_name(each.origin)),
                Cell(told_if_set(each.since), style="time"),
            ]
            for kind, each in rows
        ],
        order=translated("The nearest due time first."),
    )


def _one_of(kind: _Kind) -> str:
    """The name of one piece of work of a kind."""
    names = {
        "reviews": translated("Review"),
        "joint": translated("Joint order"),
        "complaints": translated("Complaint"),
        "faults": translated("Fault"),
        "support": translated("Support request"),
        "issues": translated("Issue"),
    }
    return names[kind.key]


def _counted(kinds: Iterable[_Kind]) -> str:
    """The number of pieces of work; with a plus sign where there are more."""
    found = list(kinds)
    is_least = any(each.is_least or each.refused is not None for each in found)
    return f"{sum(each.count for each in found):,}{'+' if is_least else ''}"


def _more(kinds: Sequence[_Kind]) -> Iterator[str]:
    if titles := enumerated(each.title for each in kinds if each.is_cut):
        yield translated("Only the {count} with the nearest due time are shown of: {kinds}.", count=_MOST, kinds=titles)
    if titles := enumerated(each.title for each in kinds if each.lacks_oldest):
        yield translated("The oldest were not looked at, so there may be more of: {kinds}.", kinds=titles)


def _lists(visit: Visit, kinds: Sequence[_Kind]) -> Iterator[Link]:
    """The lists that have all of the kinds of which the page has not."""
    cut = {each.key for each in kinds if each.is_cut or each.lacks_oldest}
    if "reviews" in cut:
        staff = told_word(Party.DESCRIPTOR, Party.PARTY_HOME_STAFF)
        yield Link(translated("Orders that wait for staff"), visit.address(order_list.PATH, awaiting=staff))
    if "joint" in cut:
        yield Link(translated("Joint orders"), visit.address(joint_order_list.PATH))
    if "complaints" in cut:
        yield Link(translated("Complaints"), visit.address(complaint_list.PATH))
    if "faults" in cut:
        yield Link(translated("Faults"), visit.address(fault_list.PATH))
    if "support" in cut:
        yield Link(translated("Support requests"), visit.address(support_list.PATH))
    if "issues" in cut:
        yield Link(translated("Issues"), visit.address(issue_list.PATH))


def _spans() -> Sequence[Option]:
    return [
        Option("", translated("any time")),
        Option("0", translated("overdue")),
        *(Option(each, translated("within {time}", time=span(timedelta(hours=int(each))))) for each in _HOURS[1:]),
    ]


_COLUMNS = Rows[tuple[_Kind, _Waiting]](
    "due_time",
    [
        Column("due_time", lambda each: each[1].due),
        Column("kind", lambda each: each[0].key),
        None,
        None,
        None,
        Column("since_time", lambda each: each[1].since),
    ],
)
VIEW = View.of(
    PATH,
    (
        rpcs.LIST_ORDERS,
        rpcs.LIST_JOINT_ORDERS,
        rpcs.LIST_COMPLAINTS,
        rpcs.LIST_FAULTS,
        rpcs.LIST_SUPPORT_REQUESTS,
        rpcs.LIST_ISSUES,
        rpcs.FIND_PLACES,
    ),
    _read,
    _show,
    _QUERY,
    saves_filters=True,
)
