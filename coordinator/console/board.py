"""The board: all regions with their states and their work, the flows between them, problems and outages."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from coordinator.console import problem, rpcs
from coordinator.console.flows import Pair, pairs_of
from coordinator.console.region import path_of
from coordinator.console.registry import network_of
from coordinator.console.tables_page import heads
from coordinator.console.words import member_badge, member_state_cell, problem_state_cell
from coordinator.problems.rules import customers
from coordinator.wording.ages import told_age
from coordinator.wording.answers import unanswered_lines
from coordinator.wording.elements import names_in
from coordinator.wording.lanes import lanes_of
from coordinator.wording.members import has_beaten, registry_warnings, state_word, waiting_lines
from gateway.api.coordinator.v1.administration_pb2 import (
    ListOrderSummariesRequest,
    ListOrderSummariesResponse,
    ListRegionsRequest,
    ListRegionsResponse,
)
from gateway.api.coordinator.v1.problem_service_pb2 import (
    ListOutagesRequest,
    ListOutagesResponse,
    ListProblemsRequest,
    ListProblemsResponse,
    Outage,
    Problem,
)
from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.federation.v1.network_pb2 import Network
from gateway.api.federation.v1.problem_pb2 import NetworkCondition
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.cli.problems import Names, told_cause, told_element
from gateway.time.clock import from_timestamp
from gateway.web.console.frames import Link
from gateway.web.console.lists import chosen_word
from gateway.web.console.pages import EVENTS, Calling, Live, Shown, View, Visit
from gateway.web.console.parts import Fact, severity_cell
from gateway.web.console.ticket import facts_table
from gateway.web.maps import Drawing, Line, Place, Position, drawing
from gateway.web.tables import Cell, Table
from gateway.wording.languages import clauses, enumerated, translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set, told_time

PATH = "/board"
_SHOW, _ALL = "show", "all"
_DEGRADED = NetworkCondition.NETWORK_CONDITION_DEGRADED
_MOST = 500  # orders, problems and outages that are looked at
_SPAN = timedelta(hours=1)  # of the orders that count as present traffic


@dataclass(frozen=True)
class _Found:
    """The answers of which the board is made."""

    regions: ListRegionsResponse
    orders: ListOrderSummariesResponse
    held: ListOrderSummariesResponse
    problems: ListProblemsResponse
    outages: ListOutagesResponse
    network: Network


@dataclass(frozen=True)
class _Page:
    """The board as `board.html.j2` shows it, with its live part."""

    events: str
    """The address of the stream of its live part."""
    cut: str
    """The sentence for a board that no longer follows."""
    as_of: str
    again: Link
    warnings: Sequence[str]
    tiles: Sequence[tuple[str, str]]
    map: Drawing
    legend: str
    tables: Sequence[tuple[str, Table]]
    others: Link
    """The link to the regions that never joined, or back."""


@dataclass(frozen=True)
class _Work:
    """The work of the regions, by id."""

    orders: Counter[str]
    """Orders of the last hour that a region has taken in, or is the home of."""
    waiting: Counter[str]
    """Envelopes of a region that a destination has not accepted."""
    held: Counter[str]
    """Held orders that a region has taken in."""
    has_all_orders: bool
    has_all_held: bool
    silent: frozenset[str]
    """The regions without an answer about their orders, which may have more of them."""
    silent_held: frozenset[str]
    """The regions without an answer about their held orders."""

    def told_orders(self, region: str) -> str:
        """The orders of a region in the last hour."""
        return _counted(self.orders[region], has_all=self.has_all_orders and region not in self.silent)

    def told_held(self, region: str) -> str:
        """The held orders of a region."""
        return _counted(self.held[region], has_all=self.has_all_held and region not in self.silent_held)

    def told_flow(self, pair: Pair) -> str:
        """The orders between two regions in the last hour.

        A silent one may have orders for the other, which has not received them yet.
        """
        return _counted(pair.orders, has_all=self.has_all_orders and self.silent.isdisjoint(pair.regions))


async def _read(visit: Visit, calling: Calling) -> _Found:
    chosen_word(visit, _SHOW, (_ALL,))
    held = ListOrderSummariesRequest(states=[OrderState.ORDER_STATE_HELD], page_size=_MOST, basic=True)
    found = await asyncio.gather(
        calling.ask(rpcs.LIST_REGIONS, ListRegionsRequest()),
        calling.ask(rpcs.LIST_ORDER_SUMMARIES, ListOrderSummariesRequest(page_size=_MOST, basic=True)),
        calling.ask(rpcs.LIST_ORDER_SUMMARIES, held),
        calling.ask(rpcs.LIST_PROBLEMS, ListProblemsRequest(page_size=_MOST)),
        calling.ask(rpcs.LIST_OUTAGES, ListOutagesRequest(page_size=_MOST)),
        network_of(calling),
    )
    return _Found(*found)


def _show(visit: Visit, found: _Found) -> Shown:
    present = _present(visit, found.orders)
    work = _work(found, present)
    members = sorted(found.regions.members, key=lambda each: each.state == MemberState.MEMBER_STATE_ABSENT)
    names = names_in(found.network)
    is_whole = visit.query.text(_SHOW) == _ALL
    troubled = _troubled(found)
    pairs = pairs_of(present, members)
    shown = _concerned(members, pairs)
    tables = [
        (translated("Regions"), _regions(visit, members if is_whole else shown, work, troubled)),
        (translated("Flows"), _flows(visit, pairs, work)),
        (translated("Problems of the network"), _problems(visit, found.problems.problems, names)),
        (translated("Outages"), _outages(visit, found.outages.outages, names)),
    ]
    tables = [(heading, table) for heading, table in tables if table.rows]
    page = _Page(
        events=visit.address(PATH + EVENTS, show=visit.query.text(_SHOW)),
        cut=translated(
            "The board is cut off from the coordinator, and is as of the time below. It comes back by itself."
        ),
        as_of=translated("As of {time}.", time=told_time(visit.now, timespec="seconds")),
        again=Link(translated("Look again"), visit.address(PATH, show=visit.query.text(_SHOW))),
        warnings=list(_warnings(visit, found)),
        tiles=_tiles(members, found, work),
        map=_map(visit, found.network, shown, pairs, work, troubled),
        legend=translated(
            "A circle is a region, in the colour of its state; a dashed ring around it means a problem or an outage. A"
            " line is as wide as the traffic of the last hour; it is orange where envelopes wait, and red where a"
            " region is not reached."
        ),
        tables=tables,
        others=_others(visit, len(members) - len(shown), is_whole=is_whole),
    )
    title = translated("Board")
    counts = facts_table(title, (Fact(name, figure) for figure, name in page.tiles))
    return Shown("board.html.j2", title, page, PATH, [counts, *(table for _, table in tables)], page.warnings)


def _concerned(members: Sequence[Member], pairs: Sequence[Pair]) -> Sequence[Member]:
    """The regions that have joined, and those that a flow concerns: a held order may wait for one that never joined."""
    flowing = {region for pair in pairs for region in pair.regions}
    return [each for each in members if each.state != MemberState.MEMBER_STATE_ABSENT or each.region in flowing]


def _present(visit: Visit, orders: ListOrderSummariesResponse) -> Sequence[tuple[str, str]]:
    """The origin and the home region of each order of the last hour."""
    return [
        (each.origin_region, each.home_region)
        for each in orders.orders
        if visit.now - from_timestamp(each.create_time) <= _SPAN
    ]


def _work(found: _Found, present: Sequence[tuple[str, str]]) -> _Work:
    return _Work(
        orders=Counter(region for pair in present for region in {*pair} if region),
        waiting=Counter(
            {each.region: sum(line.envelopes or 0 for line in lanes_of(each.report)) for each in found.regions.members}
        ),
        held=Counter(each.origin_region for each in found.held.orders),
        has_all_orders=not found.orders.next_page_token or len(present) < len(found.orders.orders),
        has_all_held=not found.held.next_page_token,
        silent=frozenset(each.region for each in found.orders.unanswered),
        silent_held=frozenset(each.region for each in found.held.unanswered),
    )


def _troubled(found: _Found) -> frozenset[str]:
    """The regions that a problem or an outage concerns."""
    by_problem = (region for each in found.problems.problems for region in each.header.regions)
    return frozenset({*by_problem, *(each.region for each in found.outages.outages)})


def _warnings(visit: Visit, found: _Found) -> Iterator[str]:
    yield from registry_warnings(found.regions, visit.now)
    yield from unanswered_lines([*found.orders.unanswered, *found.held.unanswered])
    yield from waiting_lines(found.regions.members)


def _tiles(members: Sequence[Member], found: _Found, work: _Work) -> Sequence[tuple[str, str]]:
    states = Counter(each.state for each in members)
    named = (MemberState.MEMBER_STATE_JOINED, MemberState.MEMBER_STATE_LOST, MemberState.MEMBER_STATE_SUSPENDED)
    return [
        *((f"{states[each]:,}", state_word(each)) for each in named),
        (
            _counted(len(found.held.orders), has_all=work.has_all_held and not work.silent_held),
            translated("orders held"),
        ),
        (f"{work.waiting.total():,}", translated("envelopes that wait")),
        (
            _counted(len(found.problems.problems), has_all=not found.problems.next_page_token),
            translated("problems of the network"),
        ),
        (_counted(len(found.outages.outages), has_all=not found.outages.next_page_token), translated("outages")),
    ]


def _counted(count: int, *, has_all: bool) -> str:
    """A count; with a plus sign where there may be more."""
    return f"{count:,}{'' if has_all else '+'}"


def _told_rate(member: Member) -> str:
    """The orders of a region in the last whole minute; a dash where it tells none."""
    return f"{member.report.orders_per_minute:,}" if member.report.HasField("orders_per_minute") else "–"


def _map(
    visit: Visit,
    network: Network,
    shown: Sequence[Member],
    pairs: Sequence[Pair],
    work: _Work,
    troubled: frozenset[str],
) -> Drawing:
    places = [
        Place(
            each.region,
            region_name(each.region),
            visit.address(path_of(each.region)),
            member_badge(each.state),
            translated(
                "{region}: {state}; orders per minute: {rate}; orders in the last hour: {orders}; held: {held};"
                " envelopes that wait: {waiting}",
                region=region_name(each.region),
                state=state_word(each.state),
                rate=_told_rate(each),
                orders=work.told_orders(each.region),
                held=work.told_held(each.region),
                waiting=f"{work.waiting[each.region]:,}",
            ),
            each.region in troubled,
        )
        for each in shown
    ]
    flows = [Line(each.regions, each.orders, each.style, _told_pair(each, work)) for each in pairs]
    description = clauses([*(each.hint for each in places), *(each.hint for each in flows)])
    title = translated("Regions and the flows between them")
    return drawing(title, description, places, flows, _positions(network))


def _positions(network: Network) -> Mapping[str, Position]:
    """The regions at their first sites that have a position."""
    found: dict[str, Position] = {}
    for each in network.sites:
        if each.HasField("location"):
            found.setdefault(each.region, (each.location.latitude, each.location.longitude))
    return found


def _told_pair(pair: Pair, work: _Work) -> str:
    return translated(
        "{first} and {second}: orders in the last hour: {orders}; envelopes that wait: {waiting}",
        first=region_name(pair.regions[0]),
        second=region_name(pair.regions[1]),
        orders=work.told_flow(pair),
        waiting=f"{pair.waiting:,}",
    )


def _regions(visit: Visit, members: Sequence[Member], work: _Work, troubled: frozenset[str]) -> Table:
    return Table(
        label=translated("Regions"),
        head=heads(
            translated("Region"),
            translated("State"),
            translated("Last heartbeat"),
            translated("Orders per minute"),
            translated("Orders in the last hour"),
            translated("Held"),
            translated("Waiting"),
            translated("Revision"),
            translated("Network"),
            translated("Note"),
        ),
        rows=[
            [
                Cell(region_name(each.region), "row", href=visit.address(path_of(each.region))),
                member_state_cell(each),
                Cell(told_age(each.heartbeat_time, visit.now)),
                Cell(_told_rate(each), style="figure"),
                Cell(work.told_orders(each.region), style="figure"),
                Cell(work.told_held(each.region), style="figure"),
                Cell(f"{work.waiting[each.region]:,}", style="figure"),
                Cell(str(each.federation_revision) if has_beaten(each) else "", style="figure"),
                Cell(translated("trouble"), badge="late") if each.region in troubled else Cell(""),
                Cell(each.state_note),
            ]
            for each in members
        ],
    )


def _flows(visit: Visit, pairs: Sequence[Pair], work: _Work) -> Table:
    return Table(
        label=translated("Flows"),
        head=heads(
            translated("Between"),
            translated("Orders in the last hour"),
            translated("Waiting"),
            translated("Oldest"),
            translated("Not reached since"),
        ),
        rows=[
            [
                Cell(" · ".join(map(region_name, each.regions)), "row"),
                Cell(work.told_flow(each), style="figure"),
                Cell(f"{each.waiting:,}", style="figure"),
                Cell(told_age(each.oldest, visit.now)),
                Cell(told_if_set(each.open_time), badge="late" if each.is_open else ""),
            ]
            for each in pairs
        ],
        caption=translated("Orders that one of both regions took in for a customer of the other."),
    )


def _problems(visit: Visit, problems: Sequence[Problem], names: Names) -> Table:
    return Table(
        label=translated("Problems of the network"),
        head=heads(
            translated("Problem"),
            translated("State"),
            translated("Severity"),
            translated("Cause"),
            translated("Regions"),
            translated("Customers"),
            translated("Since"),
        ),
        rows=[
            [
                Cell(each.header.id, "row", href=visit.address(problem.path_of(each.header.id))),
                problem_state_cell(each.header),
                severity_cell(each.header.severity),
                Cell(told_cause(each.header, names)),
                Cell(enumerated(map(region_name, each.header.regions))),
                Cell(f"{customers(each):,}", style="figure"),
                Cell(told_age(each.header.start_time, visit.now), style="kind"),
            ]
            for each in problems
        ],
    )


def _outages(visit: Visit, outages: Sequence[Outage], names: Names) -> Table:
    return Table(
        label=translated("Outages"),
        head=heads(
            translated("Element"),
            translated("State"),
            translated("Region"),
            translated("Since"),
            translated("Problem or planned outage"),
            translated("Planned until"),
        ),
        rows=[
            [
                Cell(told_element(each.element, names), "row"),
                Cell(translated("degraded") if each.condition == _DEGRADED else translated("down"), badge="late"),
                Cell(region_name(each.region)),
                Cell(told_age(each.start_time, visit.now), style="kind"),
                _reason(visit, each),
                Cell(told_if_set(each.planned_end_time)),
            ]
            for each in outages
        ],
    )


def _reason(visit: Visit, outage: Outage) -> Cell:
    if outage.problem_id:
        return Cell(outage.problem_id, href=visit.address(problem.path_of(outage.problem_id)))
    return Cell(outage.planned_outage_id)


def _others(visit: Visit, absent: int, *, is_whole: bool) -> Link:
    if is_whole:
        return Link(translated("Only regions that have joined"), visit.address(PATH))
    title = translated("Also regions that never joined: {count}", count=absent)
    return Link(title, visit.address(PATH, show=_ALL))


def _states(answer: ListRegionsResponse) -> object:
    """The states of the regions: a change of these is shown at once."""
    return [(each.region, each.state, each.state_note) for each in answer.members]


VIEW = View.of(
    PATH,
    (
        rpcs.LIST_REGIONS,
        rpcs.LIST_ORDER_SUMMARIES,
        rpcs.LIST_PROBLEMS,
        rpcs.LIST_OUTAGES,
        rpcs.GET_CONFIGURATION,
    ),
    _read,
    _show,
    (_SHOW,),
    live=Live.of("board_live.html.j2", rpcs.LIST_REGIONS, _states),
)
