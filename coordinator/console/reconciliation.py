"""The compared days of all pairs of regions: whether both have the same records."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from coordinator.console import rpcs
from coordinator.console.filters import REGION, any_region_of, rows_before
from coordinator.console.tables_page import heads
from coordinator.wording.answers import unanswered_line
from coordinator.wording.reconciliation import Pair, by_pair, differs, told_day
from gateway.api.coordinator.v1.reconciliation_oversight_service_pb2 import (
    PairDay,
    PairStanding,
    ReportReconciliationRequest,
    ReportReconciliationResponse,
)
from gateway.web.console.lists import PAGE, chosen_of, chosen_word, list_page
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.console.parts import Choice, Commands, Option
from gateway.web.tables import Cell, Table
from gateway.wording.languages import translated
from gateway.wording.terms import region_name

PATH = "/reconciliation"
_DAYS, _SHOW, _DIFFERING = "days", "show", "differing"
_PERIODS = ("7", "14", "31")
_MOST = 100  # pairs of a page, each with a cell for every day
_BADGES: Mapping[PairStanding.ValueType, str] = {
    PairStanding.PAIR_STANDING_DIFFERENT: "late",
    PairStanding.PAIR_STANDING_CONTRADICTORY: "late",
    PairStanding.PAIR_STANDING_UNANSWERED: "soon",
    PairStanding.PAIR_STANDING_OPEN: "near",
    PairStanding.PAIR_STANDING_EQUAL: "done",
}
_Days = Mapping[str, PairDay]


async def _read(visit: Visit, calling: Calling) -> ReportReconciliationResponse:
    first = visit.now.date() - timedelta(days=int(_period(visit)))
    return await calling.ask(rpcs.REPORT_RECONCILIATION, ReportReconciliationRequest(from_day=f"{first}"))


def _period(visit: Visit) -> str:
    return chosen_word(visit, _DAYS, _PERIODS) or _PERIODS[0]


def _show(visit: Visit, answer: ReportReconciliationResponse) -> Shown:
    periods = [Option(each, translated("{number} days", number=each)) for each in _PERIODS]
    options = [Option(_DIFFERING, translated("with a difference"))]
    choices = [
        Choice(_DAYS, translated("Back"), periods, _period(visit)),
        chosen_of(visit, _SHOW, translated("Pairs"), options),
        any_region_of(visit),
    ]
    pairs, first = _chosen(visit, by_pair(answer.days)), rows_before(visit)
    shown = dict(list(pairs.items())[first : first + _MOST])
    page = list_page(
        visit,
        PATH,
        choices,
        _table(sorted({each.day for each in answer.days}), shown),
        f"{first + _MOST}" if first + _MOST < len(pairs) else "",
        notes=list(map(unanswered_line, answer.unanswered)),
        commands=_commands() if any(map(_is_amiss, pairs.values())) else None,
    )
    return page.shown(translated("Reconciliation"), PATH)


def _chosen(visit: Visit, pairs: Mapping[Pair, _Days]) -> Mapping[Pair, _Days]:
    """The pairs that the filters leave, those with a difference first."""
    only_differing, region = chosen_word(visit, _SHOW, (_DIFFERING,)), visit.query.text(REGION)
    found = {
        pair: days
        for pair, days in pairs.items()
        if (not region or region in pair) and (not only_differing or _is_amiss(days))
    }
    return dict(sorted(found.items(), key=lambda each: not _is_amiss(each[1])))


def _is_amiss(days: _Days) -> bool:
    """Whether records differ on any day, or the reports of both regions about them."""
    return any(differs(each) or each.standing == PairStanding.PAIR_STANDING_CONTRADICTORY for each in days.values())


def _table(days: Sequence[str], pairs: Mapping[Pair, _Days]) -> Table:
    """A row for each pair, a column for each day."""
    return Table(
        label=translated("Reconciliation"),
        head=heads(translated("Region"), translated("Other region"), *days),
        rows=[
            [
                Cell(region_name(first), "row"),
                Cell(region_name(second)),
                *(_cell(found.get(day)) for day in days),
            ]
            for (first, second), found in pairs.items()
        ],
        caption=translated("Records of each business day, as both regions have them."),
        is_compared=True,
    )


def _cell(found: PairDay | None) -> Cell:
    return Cell("") if found is None else Cell(told_day(found), badge=_BADGES.get(found.standing, ""))


def _commands() -> Commands:
    return Commands(
        translated("In a region of a pair: to see each difference, and to propose its repair"),
        (
            "region-node reconciliation differences --with REGION",
            "region-node reconciliation propose REGION RECORD SERIAL --act ACT --by REGION --note NOTE",
        ),
    )


VIEW = View.of(PATH, (rpcs.REPORT_RECONCILIATION,), _read, _show, (_DAYS, _SHOW, REGION, PAGE))
