"""The list of complaints across regions, with its filters in the address: no customer, and no text."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from coordinator.console import complaint, rpcs
from coordinator.console.filters import REGION, any_region_of
from coordinator.console.tables_page import heads
from coordinator.oversight.complaint_rules import is_with_body, levels
from coordinator.wording.answers import unanswered_lines
from coordinator.wording.complaints import told_responsible
from gateway.api.coordinator.v1.complaint_oversight_service_pb2 import (
    ListComplaintHeadersRequest,
    ListComplaintHeadersResponse,
)
from gateway.api.federation.v1.configuration_pb2 import ComplaintSeverity
from gateway.api.region.v1.complaint_oversight_service_pb2 import ComplaintHeader
from gateway.web.console.complaint_parts import complaint_state_cell
from gateway.web.console.lists import PAGE, chosen_of, chosen_word
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.console.parts import Option, category_options, due_cell
from gateway.web.console.sorting import Column, Columns, Found, Part
from gateway.web.selecting import SORT
from gateway.web.tables import Cell, Table
from gateway.wording.languages import translated
from gateway.wording.terms import category_name, region_name
from gateway.wording.times import told_if_set
from gateway.wording.words import value_word

PATH = "/complaints"
_ONLY, _LEVEL, _CATEGORY, _ENDED = "only", "level", "category", "ended"
_OVERDUE, _SOON, _UNCLASSIFIED = "overdue", "soon", "unclassified"
_LEVELS = tuple(map(str, levels()))
_YES = "yes"
_DUE_WITHIN = timedelta(hours=24)  # of a complaint that is due soon
_MOST = 50  # complaints of a page


def _request(visit: Visit, part: Part) -> ListComplaintHeadersRequest:
    only = chosen_word(visit, _ONLY, (_OVERDUE, _SOON, _UNCLASSIFIED))
    request = ListComplaintHeadersRequest(
        overdue=only == _OVERDUE,
        unclassified=only == _UNCLASSIFIED,
        level=int(chosen_word(visit, _LEVEL, _LEVELS) or 0),
        region=visit.query.text(REGION),
        category=visit.query.text(_CATEGORY),
        include_ended=bool(chosen_word(visit, _ENDED, (_YES,))),
        page_size=part.size,
        page_token=part.token,
    )
    if only == _SOON:
        request.due_within.FromTimedelta(_DUE_WITHIN)
    return request


async def _read(visit: Visit, calling: Calling) -> Found[ListComplaintHeadersResponse]:
    return await _columns(visit).read(
        visit,
        _MOST,
        lambda part: calling.ask(rpcs.LIST_COMPLAINT_HEADERS, _request(visit, part)),
        lambda each: each.complaints,
    )


def _show(visit: Visit, found: Found[ListComplaintHeadersResponse]) -> Shown:
    answer = found.answer
    only = [
        Option(_OVERDUE, translated("overdue")),
        Option(_SOON, translated("due within a day")),
        Option(_UNCLASSIFIED, translated("not classified")),
    ]
    levels = [Option(each, translated("L{level} or higher", level=each)) for each in _LEVELS]
    choices = [
        chosen_of(visit, _ONLY, translated("Only"), only),
        chosen_of(visit, _LEVEL, translated("Level"), levels),
        any_region_of(visit),
        chosen_of(visit, _CATEGORY, translated("Category"), category_options()),
        chosen_of(visit, _ENDED, translated("Ended ones"), [Option(_YES, translated("also"))]),
    ]
    notes = unanswered_lines(answer.unanswered)
    page = _columns(visit).page(visit, PATH, choices, _table(visit, answer.complaints), found, notes=notes)
    return page.shown(translated("Complaints"), PATH)


def _table(visit: Visit, complaints: Sequence[ComplaintHeader]) -> Table:
    return Table(
        label=translated("Complaints"),
        head=heads(
            translated("Complaint"),
            translated("State"),
            translated("Level"),
            translated("Severity"),
            translated("Due"),
            translated("Responsible"),
            translated("From"),
            translated("Filed"),
        ),
        rows=[
            [
                Cell(
                    each.ticket_id,
                    "row",
                    href=visit.address(complaint.path_of(each.ticket_id)),
                    note=category_name(each.category) or translated("not classified"),
                ),
                complaint_state_cell(each),
                Cell(f"L{each.level}", badge="late" if is_with_body(each.level) else "calm"),
                Cell(value_word(ComplaintSeverity.DESCRIPTOR, each.severity)),
                due_cell(each.due_time, visit.now),
                Cell(told_responsible(each)),
                Cell(region_name(each.origin_region)),
                Cell(told_if_set(each.create_time), style="time"),
            ]
            for each in complaints
        ],
        caption=translated("Nothing here says who complains, or what was said."),
    )


def _columns(visit: Visit) -> Columns[ComplaintHeader]:
    """The columns, with the order of the list: with a filter by time another one."""
    is_about_time = visit.query.text(_ONLY) in (_OVERDUE, _SOON)
    return replace(_COLUMNS, order="due_time") if is_about_time else _COLUMNS


_COLUMNS = Columns[ComplaintHeader](
    "-create_time",
    [
        Column("id", lambda each: each.ticket_id),
        Column("state", lambda each: each.state),
        Column("level", lambda each: each.level),
        Column("severity", lambda each: each.severity or ""),
        Column("due_time", lambda each: each.due_time),
        Column("owner_region", lambda each: each.owner_region),
        Column("origin_region", lambda each: each.origin_region),
        Column("create_time", lambda each: each.create_time),
    ],
)
VIEW = View.of(
    PATH, (rpcs.LIST_COMPLAINT_HEADERS,), _read, _show, (_ONLY, _LEVEL, REGION, _CATEGORY, _ENDED, SORT, PAGE)
)
