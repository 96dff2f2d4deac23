"""The register of risks as one HTML file: the matrix of likelihood and impact, and the risks by their score."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from coordinator.cli.output import told_due
from coordinator.risks.rules import overdue
from coordinator.wording.risks import (
    NOBODY,
    heat,
    matrix_table,
    title_of,
    told_owner,
    told_plans,
    told_score,
    told_signal,
)
from gateway.api.coordinator.v1.risk_service_pb2 import ListRisksResponse, Risk, RiskState
from gateway.api.federation.v1.risk_pb2 import RiskGrade, RiskRules
from gateway.web.html_pages import HtmlPages
from gateway.web.tables import Cell, Table
from gateway.wording.languages import in_language, translated
from gateway.wording.times import told_time
from gateway.wording.words import value_word


@dataclass(frozen=True)
class _Report:
    """The texts and figures of `report_page.html.j2`, in its order."""

    when: str
    tiles: Sequence[tuple[str, str]]
    matrix_heading: str
    matrix: Table
    risks_heading: str
    risks: Table
    scales_heading: str
    scales: Sequence[tuple[str, str]]


def page(response: ListRisksResponse, now: datetime, language: str) -> str:
    """The page of all risks that are not closed."""
    rules, risks = response.rules, response.risks
    told = _Report(
        when=translated("As of {time}.", time=told_time(now)),
        tiles=_tiles(response, now),
        matrix_heading=translated("Likelihood and impact"),
        matrix=matrix_table(rules, risks),
        risks_heading=translated("Risks"),
        risks=_table(rules, risks, now),
        scales_heading=translated("What the grades mean"),
        scales=[*_grades(translated("likelihood"), rules.likelihoods), *_grades(translated("impact"), rules.impacts)],
    )
    return HtmlPages(Path(__file__).parent).written("report_page.html.j2", translated("Risks"), language, told)


def _tiles(response: ListRisksResponse, now: datetime) -> list[tuple[str, str]]:
    rules, risks = response.rules, response.risks

    def count(holds: Callable[[Risk], bool]) -> str:
        return f"{sum(map(holds, risks)):,}"

    highest = max((each.least_score for each in rules.bands), default=1)
    name = in_language(rules.bands[-1].name) if rules.bands else ""
    return [
        (f"{len(risks):,}", translated("risks that are not closed")),
        (count(lambda each: each.likelihood * each.impact >= highest), translated("in the band {band}", band=name)),
        (count(lambda each: each.signal_lasts), translated("with a signal that lasts")),
        (count(lambda each: each.signals > 1), translated("whose signal came back")),
        (count(lambda each: each.state == RiskState.RISK_STATE_OPEN), translated("without a decision")),
        (count(lambda each: bool(overdue(each, now))), translated("with an overdue review or plan")),
        (told_plans(response.plans) or NOBODY, translated("plans that ended in time")),
    ]


def _table(rules: RiskRules, risks: Sequence[Risk], now: datetime) -> Table:
    titles = ("risk", "score", "state", "owner", "plan", "plan due", "review due")
    words = {"risk": "name", "state": "words", "owner": "words", "plan": "words"}
    return Table(
        label=translated("Risks"),
        head=[Cell(translated(title), "col", words.get(title, "")) for title in titles],
        rows=[_row(rules, each, now) for each in risks],
    )


def _row(rules: RiskRules, risk: Risk, now: datetime) -> list[Cell]:
    due = (told_due(each, now) for each in (risk.plan_due_time, risk.review_due_time))
    state = value_word(RiskState.DESCRIPTOR, risk.state)
    lasts = translated("{state}, the signal lasts", state=state) if risk.signal_lasts else state
    return [
        Cell(
            ": ".join(filter(None, (title_of(rules, risk), risk.subject))),
            "row",
            hint=f"{risk.id} {told_signal(risk.signal_detail)}",
        ),
        Cell(told_score(rules, risk), style=f"band-{heat(rules, risk.likelihood * risk.impact)}"),
        Cell(lasts, style="words"),
        Cell(told_owner(risk), style="words"),
        Cell(risk.plan, style="words"),
        *(Cell(each.plain, style="missed" if each.style else "") for each in due),
    ]


def _grades(scale: str, grades: Sequence[RiskGrade]) -> list[tuple[str, str]]:
    return [
        (f"{scale} {number}: {in_language(each.name)}", in_language(each.definition))
        for number, each in enumerate(grades, 1)
    ]
