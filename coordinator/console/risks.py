"""The register of risks: the matrix of likelihood and impact, and the risks by their score."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from coordinator.console import problem, rpcs
from coordinator.console.filters import REGION, region_of
from coordinator.console.tables_page import heads
from coordinator.risks.rules import CLOSED, score
from coordinator.wording.risks import heat, matrix_table, title_of, told_owner, told_plans, told_score, told_signal
from gateway.api.coordinator.v1.risk_service_pb2 import ListRisksRequest, ListRisksResponse, Risk, RiskState
from gateway.api.federation.v1.risk_pb2 import RiskSource
from gateway.web.console.lists import chosen_of, chosen_word
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.console.parts import Option, due_cell
from gateway.web.console.sorting import Column, Columns, Found, Part
from gateway.web.selecting import SORT
from gateway.web.tables import Cell, Table
from gateway.wording.languages import translated
from gateway.wording.words import value_word

PATH = "/risks"
_SHOW, _OVERDUE, _ALL = "show", "overdue", "all"
_MOST = 500  # risks of the page


@dataclass(frozen=True)
class _Register:
    found: Found[ListRisksResponse]
    highest: Sequence[Risk]
    """The first risks in the register's own order, whatever the order of the page."""


async def _read(visit: Visit, calling: Calling) -> _Register:
    shown = chosen_word(visit, _SHOW, (_OVERDUE, _ALL))
    request = ListRisksRequest(region=visit.query.text(REGION), overdue=shown == _OVERDUE, include_closed=shown == _ALL)
    risks = list[Risk]()

    async def ask(part: Part) -> ListRisksResponse:
        request.page_size, request.page_token = part.size, part.token
        answer = await calling.ask(rpcs.LIST_RISKS, request)
        risks.extend(answer.risks)
        return answer

    found = await _COLUMNS.read(visit, _MOST, ask, lambda each: each.risks)
    return _Register(found, risks[:_MOST])


def _show(visit: Visit, register: _Register) -> Shown:
    found, answer = register.found, register.found.answer
    options = [
        Option(_OVERDUE, translated("with an overdue review or plan")),
        Option(_ALL, translated("also closed ones")),
    ]
    choices = [chosen_of(visit, _SHOW, translated("Risks"), options), region_of(visit)]
    still_open = [each for each in register.highest if each.state != CLOSED]
    # A matrix above no list would count risks that the page does not name.
    above = [] if found.refused else [matrix_table(answer.rules, still_open)]
    notes = []
    if answer.next_page_token:
        notes.append(translated("Only the first {count} are shown: choose a region.", count=_MOST))
    page = _COLUMNS.page(visit, PATH, choices, _table(visit, answer), found, notes=notes, above=above)
    return replace(page, pages=()).shown(translated("Risks"), PATH)


def _table(visit: Visit, answer: ListRisksResponse) -> Table:
    plans = told_plans(answer.plans)
    return Table(
        label=translated("Risks"),
        head=heads(
            translated("Risk"),
            translated("Score"),
            translated("State"),
            translated("Signal"),
            translated("Problem before"),
            translated("Owner"),
            translated("Review due"),
            translated("Plan due"),
        ),
        rows=[
            [
                Cell(title_of(answer.rules, each), "row", note=each.id),
                Cell(told_score(answer.rules, each), style=f"band-{heat(answer.rules, each.likelihood * each.impact)}"),
                Cell(value_word(RiskState.DESCRIPTOR, each.state)),
                _signal(visit, each),
                _problem_before(visit, each),
                Cell(told_owner(each)),
                due_cell(each.review_due_time, visit.now),
                due_cell(each.plan_due_time, visit.now),
            ]
            for each in answer.risks
        ],
        caption=translated("Plans that ended in time: {share}", share=plans) if plans else "",
    )


def _signal(visit: Visit, risk: Risk) -> Cell:
    """A signal that lasts; the signal of an accident leads to its problem."""
    if not risk.signal_lasts:
        return Cell("")
    href = ""
    if risk.source == RiskSource.RISK_SOURCE_ACCIDENT:
        href = visit.address(problem.path_of(_problem_id(risk.signal_detail)))
    return Cell(translated("lasts"), badge="late", note=told_signal(risk.signal_detail), href=href)


def _problem_before(visit: Visit, risk: Risk) -> Cell:
    """The last problem of an accident, other than that of a signal that lasts."""
    found = _problem_id(risk.signal_before) if risk.source == RiskSource.RISK_SOURCE_ACCIDENT else ""
    return Cell(found, href=visit.address(problem.path_of(found)) if found else "")


def _problem_id(detail: str) -> str:
    """The problem of an accident. A former version has put the grade behind the id."""
    return detail.partition(" ")[0]


_COLUMNS = Columns[Risk](
    "-score",
    [
        None,
        Column("score", score),
        Column("state", lambda each: each.state),
        *[None] * 2,
        Column("owner_region", lambda each: each.owner_region),
        Column("review_due_time", lambda each: each.review_due_time),
        Column("plan_due_time", lambda each: each.plan_due_time),
    ],
)
VIEW = View.of(PATH, (rpcs.LIST_RISKS,), _read, _show, (_SHOW, REGION, SORT))
