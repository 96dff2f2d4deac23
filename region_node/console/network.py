"""The network of the region: sites and links with their state, alarms, planned outages, and problems."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.api.federation.v1.network_pb2 import GeographicPoint
from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity, ProblemState
from gateway.api.region.v1.alarm_pb2 import Alarm, AlarmAckState, NetworkObject
from gateway.api.region.v1.alarm_service_pb2 import ListAlarmsRequest, ListAlarmsResponse
from gateway.api.region.v1.fault_service_pb2 import FindPlacesRequest, FindPlacesResponse, FoundPlace
from gateway.api.region.v1.followed_problem_service_pb2 import (
    ListFollowedProblemsRequest,
    ListFollowedProblemsResponse,
)
from gateway.api.region.v1.planned_outage_service_pb2 import (
    ListPlannedOutagesRequest,
    ListPlannedOutagesResponse,
    PlannedOutage,
    PlannedOutageState,
)
from gateway.errors import Refused
from gateway.web.console.pages import EVENTS, Calling, Live, Shown, View, Visit, unless_refused
from gateway.web.console.parts import severity_cell
from gateway.web.maps import Drawing, Line, Place, Position, drawing
from gateway.web.tables import Cell, Table
from gateway.wording.languages import clauses, enumerated, headed, in_language, translated
from gateway.wording.times import told_if_set, told_time
from gateway.wording.words import value_word
from region_node.console import fault, link, rpcs
from region_node.console.lists import pages_of
from region_node.console.places import named_element, names_of, told_object, told_services
from region_node.console.sections import Content, SectionsPage, section
from region_node.console.words import NETWORK, alarm_path, alarm_state, cut_caption
from region_node.network.measurements.causes import cause_of_alarm
from region_node.network.measurements.objects import key_of, name_of

_ROWS, _PAGES = 500, 8  # of a page of alarms by gRPC, and pages of these
_PLACES = 500  # as FindPlaces answers at most
_MOST = 50  # rows of each other list, and alarms shown
_Worst = Mapping[str, PerceivedSeverity.ValueType]
"""The worst severity of the alarms of each object, by its key."""


@dataclass(frozen=True)
class _Found:
    places: FindPlacesResponse | Refused = field(repr=False)
    alarms: Sequence[ListAlarmsResponse] | Refused = field(repr=False)
    work: "_Work | None" = None
    """None for the live part alone."""


@dataclass(frozen=True)
class _Work:
    outages: ListPlannedOutagesResponse | Refused = field(repr=False)
    problems: ListFollowedProblemsResponse | Refused = field(repr=False)


async def _read_live(visit: Visit, calling: Calling) -> _Found:
    return _Found(
        await unless_refused(calling.ask(rpcs.FIND_PLACES, FindPlacesRequest(text=visit.person.region))),
        await unless_refused(pages_of(calling, rpcs.LIST_ALARMS, ListAlarmsRequest(page_size=_ROWS), _PAGES)),
    )


async def _read(visit: Visit, calling: Calling) -> _Found:
    work = _Work(
        await unless_refused(calling.ask(rpcs.LIST_PLANNED_OUTAGES, ListPlannedOutagesRequest(page_size=_MOST))),
        await unless_refused(calling.ask(rpcs.LIST_FOLLOWED_PROBLEMS, ListFollowedProblemsRequest(page_size=_MOST))),
    )
    return replace(await _read_live(visit, calling), work=work)


def _show(visit: Visit, found: _Found) -> Shown:
    alarms = () if isinstance(found.alarms, Refused) else [each for page in found.alarms for each in page.alarms]
    names = {} if isinstance(found.places, Refused) else names_of(found.places.places)
    live = [
        section(
            translated("Alarms"),
            found.alarms,
            lambda pages: Content(table=_alarms(visit, alarms, names, _has_more(pages))),
        ),
        section(
            translated("Sites, links and services"),
            found.places,
            lambda each: _elements(visit, each, found.alarms),
        ),
    ]
    sections = (
        []
        if found.work is None
        else [
            section(
                translated("Planned outages"), found.work.outages, lambda each: Content(table=_outages(each, names))
            ),
            section(translated("Problems"), found.work.problems, lambda each: Content(table=_problems(each, names))),
        ]
    )
    return SectionsPage(sections, live, visit.address(NETWORK + EVENTS)).shown(translated("Network"), NETWORK)


def _has_more(pages: Sequence[ListAlarmsResponse]) -> bool:
    return bool(pages[-1].next_page_token)


def _worst(alarms: Sequence[Alarm]) -> _Worst:
    found: dict[str, PerceivedSeverity.ValueType] = {}
    for each in alarms:  # the worst severity has the least number
        key = key_of(each.alarmed_object)
        found[key] = min(found.get(key, each.perceived_severity), each.perceived_severity)
    return found


def _alarms(visit: Visit, alarms: Sequence[Alarm], names: Mapping[str, str], has_more: bool) -> Table:
    shown = sorted(alarms, key=lambda each: each.perceived_severity)[:_MOST]
    count = f"{len(alarms):,}{'+' if has_more else ''}"
    return Table(
        label=translated("Alarms"),
        head=[
            Cell(translated("Alarm"), "col"),
            Cell(translated("Severity"), "col"),
            Cell(translated("Object"), "col"),
            Cell(translated("Cause"), "col"),
            Cell(translated("Since"), "col"),
            Cell(translated("Acknowledged by"), "col"),
            Cell(translated("Fault"), "col"),
        ],
        rows=[
            [
                Cell(each.id, "row", href=visit.address(alarm_path(each.id)), note=alarm_state(each.state)),
                severity_cell(each.perceived_severity),
                Cell(told_object(each.alarmed_object, names), note=told_services(each.affected_services, names)),
                Cell(cause_of_alarm(each.probable_cause)),
                Cell(told_time(each.raise_time), style="time"),
                Cell(each.ack_user if each.ack_state == AlarmAckState.ALARM_ACK_STATE_ACKNOWLEDGED else ""),
                Cell(each.fault_id, href=visit.address(fault.path_of(each.fault_id)) if each.fault_id else ""),
            ]
            for each in shown
        ],
        caption=translated("The worst {shown} of {count}.", shown=len(shown), count=count),
    )


def _elements(visit: Visit, found: FindPlacesResponse, pages: Sequence[ListAlarmsResponse] | Refused) -> Content:
    """The elements that the region runs, and a map where each site has a position."""
    own = [each for each in found.places if each.region == visit.person.region]
    read = () if isinstance(pages, Refused) else pages
    states = _States(_worst([each for page in read for each in page.alarms]), bool(read) and not _has_more(read))
    return Content(
        map=_map(visit, own, states),
        legend=translated(
            "A circle is a site, a line is a link, in the colour of the worst alarm: red is critical. A hollow circle"
            " is a site of another region; a grey circle and a dashed line have no known state."
        ),
        table=_places(visit, own, states, has_more=len(found.places) >= _PLACES),
    )


@dataclass(frozen=True)
class _States:
    """The worst severity of the alarms of each object. Without all alarms, an object without one has no known state."""

    worst: _Worst
    is_whole: bool

    def of(self, about: NetworkObject) -> Cell:
        """The state of an object as a badge."""
        key = key_of(about)
        if key in self.worst:
            return severity_cell(self.worst[key])
        return Cell(translated("no alarm"), badge="done") if self.is_whole else Cell(translated("not known"))


def _map(visit: Visit, own: Sequence[FoundPlace], states: _States) -> Drawing | None:
    """The sites and links of the region, with the far ends of these; None where the position of one is not known."""
    positions: dict[str, Position] = {}
    places: dict[str, Place] = {}
    lines: list[Line] = []
    for each in own:
        state, name = states.of(each.object), in_language(each.name)
        if each.object.site:
            places[each.object.site] = Place(
                each.object.site, name, "", _style(state, "done"), headed(name, state.text)
            )
            if each.HasField("location"):
                positions[each.object.site] = _position(each.location)
        for end in each.ends:
            places.setdefault(end.site, Place(end.site, in_language(end.name), "", "foreign", in_language(end.name)))
            if end.HasField("location"):
                positions[end.site] = _position(end.location)
        if each.ends:
            ends = each.ends[0].site, each.ends[1].site
            hint, href = headed(each.object.link, state.text), _page_of(visit, each.object)
            lines.append(Line(ends, 0, _style(state, "calm"), hint, href))
    if not places or positions.keys() < places.keys():
        return None
    description = clauses([*(each.hint for each in places.values()), *(each.hint for each in lines)])
    return drawing(translated("Sites and links"), description, list(places.values()), lines, positions)


def _style(state: Cell, without: str) -> str:
    """The class of a place or a line by its state; `without` is that of an element without an alarm."""
    return {"done": without, "calm": "near", "": "unknown"}.get(state.badge, state.badge)


def _position(point: GeographicPoint) -> Position:
    return point.latitude, point.longitude


def _places(visit: Visit, own: Sequence[FoundPlace], states: _States, *, has_more: bool) -> Table:
    return Table(
        label=translated("Sites, links and services"),
        head=[
            Cell(translated("Id"), "col"),
            Cell(translated("Kind"), "col"),
            Cell(translated("Name"), "col"),
            Cell(translated("State"), "col"),
        ],
        rows=[
            [
                Cell(name_of(each.object), "row", href=_page_of(visit, each.object)),
                Cell(_kind(each)),
                Cell(in_language(each.name)),
                states.of(each.object),
            ]
            for each in own
        ],
        caption=cut_caption("", _PLACES, has_more=has_more),
    )


def _page_of(visit: Visit, about: NetworkObject) -> str:
    return visit.address(link.path_of(about.link)) if about.link else ""


def _kind(place: FoundPlace) -> str:
    kinds = {"site": translated("site"), "link": translated("link"), "service": translated("service")}
    return kinds.get(place.object.WhichOneof("object") or "", "")


def _newest_first(count: int, following: str) -> str:
    return cut_caption(translated("The newest first."), count, has_more=bool(following))


def _outages(found: ListPlannedOutagesResponse, names: Mapping[str, str]) -> Table:
    return Table(
        label=translated("Planned outages"),
        head=[
            Cell(translated("Planned outage"), "col"),
            Cell(translated("State"), "col"),
            Cell(translated("Begins"), "col"),
            Cell(translated("Ends"), "col"),
            Cell(translated("Sites and links"), "col"),
            Cell(translated("Services"), "col"),
        ],
        rows=[
            [
                Cell(each.id, "row", note=translated("emergency") if each.emergency else ""),
                Cell(value_word(PlannedOutageState.DESCRIPTOR, each.state)),
                Cell(told_time(each.start_time), style="time"),
                Cell(told_time(each.end_time), style="time"),
                Cell(enumerated(told_object(part, names) for part in _parts(each))),
                Cell(told_services(each.services, names)),
            ]
            for each in found.planned_outages
        ],
        caption=_newest_first(len(found.planned_outages), found.next_page_token),
    )


def _parts(outage: PlannedOutage) -> Iterator[NetworkObject]:
    yield from (NetworkObject(site=each) for each in outage.sites)
    yield from (NetworkObject(link=each) for each in outage.links)


def _problems(found: ListFollowedProblemsResponse, names: Mapping[str, str]) -> Table:
    return Table(
        label=translated("Problems"),
        head=[
            Cell(translated("Problem"), "col"),
            Cell(translated("State"), "col"),
            Cell(translated("Severity"), "col"),
            Cell(translated("Services"), "col"),
            Cell(translated("Since"), "col"),
            Cell(translated("Until"), "col"),
            Cell(translated("Customers"), "col"),
        ],
        rows=[
            [
                Cell(each.header.id, "row", "kind", note=named_element(each.header.root_cause, names)),
                Cell(value_word(ProblemState.DESCRIPTOR, each.header.state)),
                severity_cell(each.header.severity),
                Cell(told_services(each.header.services, names), note=_unconfirmed(each.unconfirmed_services, names)),
                Cell(told_time(each.header.start_time), style="time"),
                Cell(told_if_set(each.header.end_time), style="time"),
                Cell(f"{each.customers:,}"),
            ]
            for each in found.problems
        ],
        caption=_newest_first(len(found.problems), found.next_page_token),
    )


def _unconfirmed(services: Sequence[str], names: Mapping[str, str]) -> str:
    return translated("unconfirmed: {services}", services=told_services(services, names)) if services else ""


def _raised(answer: ListAlarmsResponse) -> object:
    """The alarms: a change of these is shown at once."""
    return [(each.id, each.state, each.perceived_severity, each.ack_state, each.fault_id) for each in answer.alarms]


VIEW = View.of(
    NETWORK,
    (rpcs.FIND_PLACES, rpcs.LIST_ALARMS, rpcs.LIST_PLANNED_OUTAGES, rpcs.LIST_FOLLOWED_PROBLEMS),
    _read,
    _show,
    live=Live.of("sections_live.html.j2", rpcs.LIST_ALARMS, _raised, _read_live),
)
