"""Paths between regions: a heat map of their delays, now and after a change, and the pairs that need a look."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from coordinator.console import path_questions, paths, rpcs
from coordinator.console.filters import REGION, region_of
from coordinator.console.tables_page import heads
from coordinator.wording.elements import LINK, told_elements
from coordinator.wording.paths import (
    explanations,
    heat_maps,
    names_of,
    pairs_of,
    told_delay,
    told_loss,
)
from gateway.api.coordinator.v1.path_service_pb2 import (
    GetPathMatrixRequest,
    GetPathMatrixResponse,
    RegionPaths,
    SitePaths,
)
from gateway.cli.problems import Names
from gateway.web.console.lists import list_page
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.tables import Cell, Table
from gateway.wording.languages import translated

PATH = "/network"
_MOST = 20  # pairs without a chosen region


@dataclass(frozen=True)
class _Found:
    """The question and its answer."""

    question: path_questions.Question
    answer: GetPathMatrixResponse


async def _read(visit: Visit, calling: Calling) -> _Found:
    question = await path_questions.read_question(visit, calling)
    answer = await calling.ask(rpcs.GET_PATH_MATRIX, GetPathMatrixRequest(basis=question.basis))
    return _Found(question, answer)


def _show(visit: Visit, found: _Found) -> Shown:
    answer = found.answer
    present, after = pairs_of(answer, lambda each: _href(visit, each))
    page = list_page(
        visit,
        PATH,
        [*path_questions.choices(visit, found.question), region_of(visit)],
        _table(visit, found, has_change=bool(after)),
        "",
        texts=path_questions.texts(visit),
        notes=path_questions.notes(found.question, answer.down, answer.unanswered),
        above=[replace(each, caption=each.label) for each in heat_maps(present, after)],
    )
    return page.shown(translated("Paths between regions"), PATH)


def _href(visit: Visit, found: RegionPaths) -> str:
    return visit.address(paths.PATH, **{paths.FROM: found.start, paths.TO: found.end}, **path_questions.asked(visit))


def _chosen(visit: Visit, pairs: Sequence[RegionPaths], *, has_change: bool) -> Sequence[RegionPaths]:
    """The pairs of the chosen region; without one, those that need a look most."""
    if region := visit.query.text(REGION):
        return [each for each in pairs if region in (each.start, each.end)]
    return sorted(pairs, key=lambda each: _order(each.changed if has_change else each.paths))[:_MOST]


def _order(found: SitePaths) -> tuple[bool, bool, int]:
    best = found.best
    return found.HasField("best"), not best.HasField("budget") or best.budget.kept, -best.quality.delay_us


def _table(visit: Visit, found: _Found, *, has_change: bool) -> Table:
    quality_class, names = found.question.basis.quality_class, names_of(found.answer)
    told = list(explanations(quality_class))
    if not visit.query.text(REGION) and len(found.answer.pairs) > _MOST:
        told.append(
            translated("The {count} pairs that need a look most; choose a region for all of its own.", count=_MOST)
        )
    verdict = [quality_class] if quality_class else []
    after = [translated("After the change"), *verdict] if has_change else []
    figures = (translated("Delay"), *verdict, translated("Variation"), translated("Loss"), translated("Alternative"))
    return Table(
        label=translated("Figures"),
        head=heads(translated("Between"), *figures, translated("Shared links"), *after),
        rows=[
            [
                Cell(
                    f"{names.get(each.start, each.start)} · {names.get(each.end, each.end)}",
                    "row",
                    href=_href(visit, each),
                ),
                *_present(each.paths, found.question.elements, has_verdict=bool(quality_class)),
                *(_delay(each.changed, has_verdict=bool(quality_class)) if has_change else ()),
            ]
            for each in _chosen(visit, found.answer.pairs, has_change=has_change)
        ],
        caption=" ".join(told),
    )


def _present(found: SitePaths, elements: Names, *, has_verdict: bool) -> Iterator[Cell]:
    quality = found.best.quality if found.HasField("best") else None
    yield from _delay(found, has_verdict=has_verdict)
    yield Cell("" if quality is None else told_delay(quality.delay_variation_us), style="figure")
    yield Cell("" if quality is None else told_loss(quality.loss_ppb), style="figure")
    other = told_delay(found.alternative.quality.delay_us) if found.HasField("alternative") else ""
    yield Cell(other, style="figure")
    yield Cell(told_elements(LINK, found.shared_links, elements))


def _delay(found: SitePaths, *, has_verdict: bool) -> Iterator[Cell]:
    """The delay of the best path, and whether it keeps the class."""
    if not found.HasField("best"):
        yield Cell(translated("no way"), badge="late")
    else:
        yield Cell(told_delay(found.best.quality.delay_us), style="figure")
    if has_verdict:
        yield paths.verdict_cell(found.best)


VIEW = View.of(PATH, (rpcs.GET_CONFIGURATION, rpcs.GET_PATH_MATRIX), _read, _show, (*path_questions.QUERY, REGION))
