"""The results of surveys as one HTML file, which names nobody."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gateway.api.region.v1.survey_pb2 import SurveyMark
from gateway.api.region.v1.survey_service_pb2 import GetSurveyResultsResponse, SurveyGroup
from gateway.web.charts import Bar, Caption, Figure, bars
from gateway.web.html_pages import HtmlPages
from gateway.web.tables import Cell, Table
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_time
from region_node.cli.surveys import survey_view

_HIGHEST = float(SurveyMark.SURVEY_MARK_VERY_SATISFIED)


@dataclass(frozen=True)
class _Section:
    heading: str
    figure: Figure


@dataclass(frozen=True)
class _Results:
    """The texts and figures of `results_page.html.j2`, in its order."""

    when: str
    left_out: str
    sections: Sequence[_Section]
    tables_heading: str
    tables: Sequence[Table]
    meanings_heading: str
    meanings: Sequence[tuple[str, str]]


def page(results: GetSurveyResultsResponse, months: tuple[str, str], now: datetime, language: str) -> str:
    """The page of the results of some months, the first and the last."""
    parts: list[tuple[str, str, Sequence[SurveyGroup], Callable[[str], str]]] = [
        ("region", translated("By region"), results.by_region, region_name),
        ("business", translated("By business"), results.by_business, survey_view.business_name),
        ("channel", translated("By channel"), results.by_channel, survey_view.channel_name),
    ]
    region = region_name(results.region)
    told = _Results(
        when=translated("As of {time}. Customers of {region}.", time=told_time(now), region=region),
        left_out=translated("Groups of fewer than {count} answers are not shown.", count=results.smallest_group),
        sections=[_section(key, heading, groups, name) for key, heading, groups, name in parts if groups],
        tables_heading=translated("Figures"),
        tables=[_table(survey_view.groups(results))],
        meanings_heading=translated("What the figures mean"),
        meanings=_meanings(),
    )
    title = translated("Satisfaction {first} to {last}", first=months[0], last=months[1])
    return HtmlPages(Path(__file__).parent).written("results_page.html.j2", title, language, told)


def _section(key: str, heading: str, groups: Sequence[SurveyGroup], name: Callable[[str], str]) -> _Section:
    rows = [(name(group.name), _bars(group)) for group in groups]
    said = "; ".join(f"{group}: {', '.join(bar.told for bar in found)}" for group, found in rows)
    chart = bars(Caption(key, heading, said), rows, _HIGHEST)
    series = [survey_view.question_name(each) for each in survey_view.QUESTIONS]
    return _Section(heading, Figure(chart, translated("Mean marks, 1 to 5."), series))


def _bars(group: SurveyGroup) -> list[Bar]:
    """A bar for each question, also for one with too few answers."""
    found = {each.question: each.figure.value for each in group.scores}
    return [
        Bar(found[question], f"{found[question]:.2f}", series) if question in found else Bar(None, "–", series)
        for series, question in enumerate(survey_view.QUESTIONS)
    ]


def _table(groups: Sequence[survey_view.Group]) -> Table:
    titles = [
        translated("by"),
        translated("group"),
        translated("invited"),
        translated("answered"),
        translated("response rate"),
        *(survey_view.question_name(each) for each in survey_view.QUESTIONS),
        translated("recommend score"),
    ]
    return Table(
        label=translated("Figures"),
        head=[Cell(title, "col", "name" if number < 2 else "") for number, title in enumerate(titles)],
        rows=[
            [
                Cell(each.dimension, "row"),
                Cell(each.name, "row"),
                *map(Cell, (each.invited, each.answered, each.response_rate, *each.scores, each.recommend_score)),
            ]
            for each in groups
        ],
    )


def _meanings() -> list[tuple[str, str]]:
    return [
        (
            translated("response rate"),
            translated("The share of invitations with an answer; in brackets Wilson's interval of 95 %."),
        ),
        (
            translated("marks"),
            translated("From 1, very dissatisfied, to 5, very satisfied; in brackets Student's interval of 95 %."),
        ),
        (
            translated("recommend score"),
            translated("Percent of the customers who say 9 or 10, minus percent of those who say 0 to 6."),
        ),
    ]
