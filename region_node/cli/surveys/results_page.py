"""The results of surveys as one HTML file, which names nobody."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gateway.api.region.v1.survey_pb2 import SurveyMark
from gateway.api.region.v1.survey_service_pb2 import GetSurveyResultsResponse, SurveyFigure, SurveyGroup
from gateway.web.charts import Bar, Caption, Figure, bars
from gateway.web.html_pages import HtmlPages
from gateway.web.tables import Cell, Table
from gateway.wording.languages import clauses, enumerated, translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_time
from region_node.cli.surveys import survey_view

_LOWEST, _HIGHEST = SurveyMark.SURVEY_MARK_VERY_DISSATISFIED, SurveyMark.SURVEY_MARK_VERY_SATISFIED


@dataclass(frozen=True)
class _Section:
    heading: str
    figure: Figure


@dataclass(frozen=True)
class _Results:
    """The texts and figures of `results_page.html.j2`, in its order."""

    when: str
    left_out: str
    tiles: Sequence[tuple[str, str]]
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
        left_out=translated(
            "Groups of fewer than {count} answers in a month are not shown.", count=results.smallest_group
        ),
        tiles=_tiles(results.total) if results.HasField("total") else [],
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
    said = clauses(f"{group}: {enumerated(bar.told for bar in found)}" for group, found in rows)
    chart = bars(Caption(key, heading, said), rows, _HIGHEST - _LOWEST)
    series = [survey_view.question_name(each) for each in survey_view.QUESTIONS]
    caption = translated("Mean marks, 1 to 5; the thin lines are intervals of 95 %.")
    return _Section(heading, Figure(chart, caption, series))


def _tiles(total: SurveyGroup) -> list[tuple[str, str]]:
    """The figures of all answers together, each with its interval."""
    rate = total.response_rate
    answered = translated("answered of {count} invitations", count=f"{total.invitations:,}")
    tiles = [(survey_view.told_share(rate.value), f"{answered} ({survey_view.told_shares(rate)})")]
    for each in total.scores:
        interval = f"{each.figure.low:.2f}–{each.figure.high:.2f}"
        tiles.append((f"{each.figure.value:.2f}", f"{survey_view.question_name(each.question)} ({interval})"))
    if total.HasField("recommendation"):
        score, interval = total.recommendation.value, survey_view.told_recommendations(total.recommendation)
        tiles.append((survey_view.told_recommendation(score), f"{translated('recommend score')} ({interval})"))
    return tiles


def _bars(group: SurveyGroup) -> list[Bar]:
    """A bar from the lowest mark on for each question, also for one with too few answers."""
    found = {each.question: each.figure for each in group.scores}
    return [
        _bar(found[question], series) if question in found else Bar(None, "–", series)
        for series, question in enumerate(survey_view.QUESTIONS)
    ]


def _bar(figure: SurveyFigure, series: int) -> Bar:
    interval = figure.low - _LOWEST, figure.high - _LOWEST
    return Bar(figure.value - _LOWEST, f"{figure.value:.2f}", series, interval)


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
