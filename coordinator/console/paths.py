"""The paths between two regions or sites, link by link, now and after a change."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from coordinator.console import path_questions, rpcs
from coordinator.console.tables_page import TablesPage, heads
from coordinator.wording.elements import LINK
from coordinator.wording.paths import (
    told_basis,
    told_delay,
    told_gain,
    told_left,
    told_loss,
    told_shared,
    told_sites,
    told_verdict,
)
from gateway.api.coordinator.v1.path_service_pb2 import FindPathsRequest, FindPathsResponse, NetworkPath, SitePaths
from gateway.web.charts import Bar, Caption, Figure, bars
from gateway.web.console.frames import Link
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.console.parts import Fact
from gateway.web.console.ticket import known
from gateway.web.tables import Cell, Table
from gateway.wording.languages import clauses, translated

PATH = "/network/paths"
FROM, TO = "from", "to"
"""The fields with the two regions or sites."""
_TAB = "/network"
_KEPT, _BROKEN, _PLAIN = 2, 5, 0  # colours of bars

Named = Sequence[tuple[str, NetworkPath]]
"""Paths with their titles."""


@dataclass(frozen=True)
class _Found:
    """The question and its answer."""

    question: path_questions.Question
    answer: FindPathsResponse


async def _read(visit: Visit, calling: Calling) -> _Found:
    question = await path_questions.read_question(visit, calling)
    request = FindPathsRequest(start=visit.query.text(FROM), end=visit.query.text(TO), basis=question.basis)
    return _Found(question, await calling.ask(rpcs.FIND_PATHS, request))


def _show(visit: Visit, found: _Found) -> Shown:
    answer, quality_class, names = found.answer, found.question.basis.quality_class, found.question.names
    elements = found.question.elements
    start, end = (names.get(each, each) for each in (answer.paths.start, answer.paths.end))
    named = list(_named(answer.paths, translated("Best path"), translated("Alternative"), _apart))
    facts = [Fact(translated("Alternative"), told_shared(answer.paths, elements))]
    if answer.HasField("changed"):
        after = translated("Best path, after the change"), translated("Alternative, after the change")
        named += _named(answer.changed, *after, _apart_after)
        facts.append(Fact(translated("After the change"), told_gain(answer.paths, answer.changed)))
        facts.append(Fact(after[1], told_shared(answer.changed, elements)))
    warnings = [*path_questions.notes(found.question, answer.down, answer.unanswered)]
    if not answer.paths.HasField("best"):
        warnings.append(translated("there is no way from {start} to {end}", start=start, end=end))
    page = TablesPage(
        warnings=warnings,
        facts=known(facts),
        figures=[_chart(named, found.question)] if named else (),
        tables=[
            (translated("Figures"), _figures(named, quality_class, names)),
            *((title, _hops(title, each, found.question)) for title, each in named),
        ],
        links_heading=translated("Network"),
        links=[Link(translated("Paths between regions"), visit.address(_TAB, **path_questions.asked(visit)))],
    )
    title = translated("{start} to {end}", start=start, end=end)
    return page.shown(title, _TAB)


def _named(
    paths: SitePaths, best: str, alternative: str, apart: Callable[[int], str]
) -> Iterator[tuple[str, NetworkPath]]:
    if paths.HasField("best"):
        yield best, paths.best
    if paths.HasField("alternative"):
        yield alternative, paths.alternative
    for number, each in enumerate(paths.apart, 1):
        yield apart(number), each


def _apart(number: int) -> str:
    return translated("Path {number} besides the best one", number=number)


def _apart_after(number: int) -> str:
    return translated("Path {number} besides the best one, after the change", number=number)


def _chart(named: Named, question: path_questions.Question) -> Figure:
    """The delay of each path, with the bound of the class as a line over all."""
    allowed = next(
        (each for each in question.network.quality_classes if each.name == question.basis.quality_class), None
    )
    bound = allowed.delay_us if allowed is not None and allowed.delay_us else None
    rows = [
        (title, [Bar(each.quality.delay_us, told_delay(each.quality.delay_us), _colour(each))]) for title, each in named
    ]
    most = max([bound or 0, *(each.quality.delay_us for _, each in named)])
    title = translated("Delay")
    said = clauses(f"{name}: {bar.told}" for name, (bar,) in rows)
    caption = title if bound is None else translated("Delay; the line is the bound: {bound}", bound=told_delay(bound))
    return Figure(bars(Caption("delay", title, said), rows, most, bound), caption)


def _colour(path: NetworkPath) -> int:
    if not path.HasField("budget"):
        return _PLAIN
    return _KEPT if path.budget.kept else _BROKEN


def _figures(named: Named, quality_class: str, names: Mapping[str, str]) -> Table:
    classes = [quality_class, translated("Left")] if quality_class else []
    return Table(
        label=translated("Figures"),
        head=heads(
            translated("Path"),
            translated("Sites"),
            translated("Delay"),
            translated("Variation"),
            translated("Loss"),
            *classes,
        ),
        rows=[[Cell(title, "row"), _sites(each, names), *_cells(each)] for title, each in named],
    )


def _sites(path: NetworkPath, names: Mapping[str, str]) -> Cell:
    return _named_by_id(told_sites(path, names), told_sites(path, {}))


def _named_by_id(name: str, identity: str) -> Cell:
    """A name with its id below, by which commands and the registry of the network know it."""
    return Cell(name, note=identity if identity != name else "")


def _cells(path: NetworkPath) -> Iterator[Cell]:
    quality = path.quality
    yield Cell(told_delay(quality.delay_us), style="figure")
    yield Cell(told_delay(quality.delay_variation_us), style="figure")
    yield Cell(told_loss(quality.loss_ppb), style="figure")
    if path.HasField("budget"):
        yield verdict_cell(path)
        yield Cell(told_left(path.budget))


def verdict_cell(path: NetworkPath) -> Cell:
    """The keeping of the class as a badge; empty where none was named."""
    told = told_verdict(path)
    return Cell(told, badge=("done" if path.budget.kept else "late") if told else "")


def _hops(title: str, path: NetworkPath, question: path_questions.Question) -> Table:
    names = question.names
    return Table(
        label=title,
        head=heads(
            translated("Link"),
            translated("Starts at"),
            translated("Ends at"),
            translated("Delay"),
            translated("Variation"),
            translated("Loss"),
            translated("Figures"),
        ),
        rows=[
            [
                Cell(question.elements.get((LINK, each.link), each.link), "row"),
                _named_by_id(names.get(each.start, each.start), each.start),
                _named_by_id(names.get(each.end, each.end), each.end),
                Cell(told_delay(each.quality.delay_us), style="figure"),
                Cell(told_delay(each.quality.delay_variation_us), style="figure"),
                Cell(told_loss(each.quality.loss_ppb), style="figure"),
                Cell(told_basis(each), badge="done" if each.measured else "calm"),
            ]
            for each in path.hops
        ],
    )


VIEW = View.of(PATH, (rpcs.GET_CONFIGURATION, rpcs.FIND_PATHS), _read, _show, (FROM, TO, *path_questions.QUERY))
