"""The page of a complaint: its clocks, whose time it was, why it is late, and its course without texts."""

from collections.abc import Iterator
from dataclasses import replace

from coordinator.console import rpcs
from coordinator.console.tables_page import TablesPage
from coordinator.wording.answers import unanswered_line
from coordinator.wording.complaints import happened, told_responsible
from gateway.api.coordinator.v1.complaint_oversight_service_pb2 import (
    GetComplaintHistoryRequest,
    GetComplaintHistoryResponse,
)
from gateway.api.federation.v1.configuration_pb2 import ComplaintSeverity
from gateway.web.console.complaint_parts import clocks, complaint_state_cell, time_by_holder
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.console.parts import Fact, due_cell
from gateway.web.console.ticket import TicketPage, course, filled, known
from gateway.wording.languages import translated
from gateway.wording.terms import category_name, region_name
from gateway.wording.times import told_if_set
from gateway.wording.words import value_word

_TAB = "/complaints"
_ID = "id"


def path_of(ticket_id: str) -> str:
    """The path of the page of a complaint."""
    return f"{_TAB}/{ticket_id}"


async def _read(visit: Visit, calling: Calling) -> GetComplaintHistoryResponse:
    request = GetComplaintHistoryRequest(ticket_id=visit.names[_ID])
    return await calling.ask(rpcs.GET_COMPLAINT_HISTORY, request)


def _show(visit: Visit, found: GetComplaintHistoryResponse) -> Shown:
    warnings = [unanswered_line(each) for each in found.unanswered]
    if not found.HasField("complaint"):
        return TablesPage(warnings).shown(visit.names[_ID], _TAB)
    history, header = found.complaint, found.complaint.header
    lateness = history.lateness.ToTimedelta() if history.HasField("lateness") else None
    is_over = not header.HasField("due_time")
    ledger = history.ledger if lateness is None else history.why_late
    held = time_by_holder(ledger, lateness)
    page = TicketPage(
        state=complaint_state_cell(header),
        due=due_cell(header.due_time, visit.now),
        about="",
        texts=(),
        facts_heading=translated("Complaint"),
        facts=known(_facts(visit, found)),
        tables=filled(
            [
                clocks(history.deadlines, history.state_changes, visit.now, is_over=is_over),
                held if lateness is None else replace(held, label=translated("Why it is late")),
            ]
        ),
        course_heading=translated("Course"),
        course=course(happened(history)),
        warnings=warnings,
    )
    return page.shown(visit.names[_ID], _TAB)


def _facts(visit: Visit, found: GetComplaintHistoryResponse) -> Iterator[Fact]:
    history, header = found.complaint, found.complaint.header
    yield Fact(translated("Category"), category_name(header.category) or translated("not classified"))
    yield Fact(translated("Severity"), value_word(ComplaintSeverity.DESCRIPTOR, header.severity))
    yield Fact(translated("Level"), f"L{header.level}")
    yield Fact(translated("Responsible"), told_responsible(header))
    yield Fact(translated("From"), region_name(header.origin_region))
    yield Fact(translated("Filed"), told_if_set(header.create_time))
    yield Fact(translated("Due"), told_if_set(header.due_time))
    yield Fact(translated("Group"), header.group_id)
    repeated = history.repeated_ticket_id
    yield Fact(translated("Repeats"), repeated, visit.address(path_of(repeated)))
    yield Fact(translated("Reported by"), region_name(found.region))


VIEW = View.of("/complaints/{id:.+}", (rpcs.GET_COMPLAINT_HISTORY,), _read, _show)
