"""The settlement of a month: what regions owe each other, and the position of each."""

from collections.abc import Callable, Mapping, Sequence

from coordinator.console import rpcs
from coordinator.console.filters import MONTH, chosen_month, month_of
from coordinator.console.tables_page import heads
from coordinator.oversight.settlement_rules import CONTESTED, DISPUTED, SIGNED, first_signing_day, is_paid
from coordinator.wording.answers import unanswered_line
from coordinator.wording.settlement import (
    Pairs,
    by_pair,
    debt,
    differing,
    regions_of,
    told_amount,
    told_debt,
    told_sums,
    why_no_statement,
)
from gateway.api.coordinator.v1.settlement_oversight_service_pb2 import (
    ReportSettlementRequest,
    ReportSettlementResponse,
    SettlementPosition,
)
from gateway.api.region.v1.settlement_pb2 import SettlementState
from gateway.web.console.lists import list_page
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.console.parts import Commands
from gateway.web.tables import Cell, Table
from gateway.wording.languages import translated
from gateway.wording.terms import region_name

PATH = "/settlement"
_BADGES: Mapping[SettlementState.ValueType, str] = {SIGNED: "moving", DISPUTED: "late", CONTESTED: "late"}


async def _read(visit: Visit, calling: Calling) -> ReportSettlementResponse:
    return await calling.ask(rpcs.REPORT_SETTLEMENT, ReportSettlementRequest(month=_month(visit)))


def _month(visit: Visit) -> str:
    """The chosen month, else the last one that has ended: no earlier statement is signed."""
    return chosen_month(visit, ago=1)


def _show(visit: Visit, answer: ReportSettlementResponse) -> Shown:
    notes = [*map(unanswered_line, answer.unanswered), *(differing(each) for each in answer.pairs if each.differs)]
    if any(each.minor_units for each in answer.sums):
        notes.append(told_sums(answer.sums))
    if not answer.pairs:
        notes.append(translated("No statement was signed or proposed for this month yet."))
    page = list_page(
        visit,
        PATH,
        [month_of(visit, _month(visit))],
        _matrix(by_pair(answer.pairs), lambda debtor, creditor: _missing(visit, answer, debtor, creditor)),
        "",
        notes=notes,
        above=[_positions(answer)],
        commands=_commands(),
    )
    return page.shown(translated("Settlement of {month}", month=_month(visit)), PATH)


def _positions(answer: ReportSettlementResponse) -> Table:
    return Table(
        label=translated("Positions of the regions"),
        head=heads(
            translated("Region"),
            translated("Owed by signed statements"),
            translated("Paid"),
            translated("Unsigned"),
            translated("Disputed"),
        ),
        rows=[[Cell(region_name(each.region), "row"), *_amounts(each)] for each in answer.positions],
        # Without the report of each region, this is no sum of all.
        caption="" if answer.unanswered else told_sums(answer.sums),
    )


def _amounts(position: SettlementPosition) -> Sequence[Cell]:
    amounts = (position.signed, position.paid, position.unsigned, position.disputed)
    return [Cell(told_amount(each), style="figure") for each in amounts]


def _matrix(pairs: Pairs, missing: Callable[[str, str], Cell]) -> Table:
    """A row for each debtor, a column for each creditor. `missing` gives the cell of a pair without a statement."""
    regions = regions_of(pairs)
    return Table(
        label=translated("Debts"),
        head=heads(translated("Owes"), *map(region_name, regions)),
        rows=[
            [
                Cell(region_name(debtor), "row"),
                *(_debt(pairs, debtor, creditor) or missing(debtor, creditor) for creditor in regions),
            ]
            for debtor in regions
        ],
        caption=translated("Each row owes each column the amount; a minus stands for a claim."),
        is_compared=True,
    )


def _missing(visit: Visit, answer: ReportSettlementResponse, debtor: str, creditor: str) -> Cell:
    told, remark = why_no_statement(answer, debtor, creditor, first_signing_day(_month(visit)))
    return Cell(told, note=remark)


def _debt(pairs: Pairs, debtor: str, creditor: str) -> Cell | None:
    """The debt by the statement of two regions; None without a statement."""
    pair = debt(pairs, debtor, creditor)
    if pair is None:
        return None
    paid = is_paid(pair)
    badge = "done" if paid else "late" if pair.differs else _BADGES.get(pair.state, "near")
    return Cell(told_debt(pair, debtor, is_paid=paid), badge=badge)


def _commands() -> Commands:
    return Commands(
        translated("In a region of a pair: the amounts by today's records, and the signature"),
        ("region-node settlement show REGION MONTH", "region-node settlement sign REGION MONTH"),
    )


VIEW = View.of(PATH, (rpcs.REPORT_SETTLEMENT,), _read, _show, (MONTH,))
