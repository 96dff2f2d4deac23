"""Paths between regions: a heat map of their delays, now and after a change, and the pairs that need a look."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from coordinator.console import path_questions, paths, rpcs
from coordinator.console.filters import REGION, region_of
from coordinator.wording.paths import Pair, explanations, figures_table, heat_map, most_delay
from gateway.api.coordinator.v1.path_service_pb2 import GetPathMatrixRequest, GetPathMatrixResponse, RegionPaths
from gateway.web.console.lists import list_page
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.tables import Table
from gateway.wording.languages import in_language, translated

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
    answer, quality_class = found.answer, found.question.basis.quality_class
    names = {each.region: in_language(each.name) for each in answer.regions}
    present = [_pair(visit, names, each) for each in answer.pairs]
    after = [
        replace(pair, paths=each.changed)
        for pair, each in zip(present, answer.pairs, strict=True)
        if each.HasField("changed")
    ]
    most = most_delay([*present, *after])
    heats = ((translated("Delay in ms"), present), (translated("Delay in ms, after the change"), after))
    above = [replace(heat_map(title, pairs, most), caption=title) for title, pairs in heats if pairs]
    shown = _chosen(visit, answer.pairs, present)
    table = _table(visit, translated("Figures"), shown, quality_class)
    if after:
        above.append(table)
        title = translated("Figures, after the change")
        table = _table(visit, title, _chosen(visit, answer.pairs, after), quality_class)
    page = list_page(
        visit,
        PATH,
        [*path_questions.choices(visit, found.question), region_of(visit)],
        table,
        "",
        texts=path_questions.texts(visit),
        notes=path_questions.notes(answer.down, answer.unanswered),
        above=above,
    )
    return page.shown(translated("Paths between regions"), PATH)


def _pair(visit: Visit, names: dict[str, str], found: RegionPaths) -> Pair:
    href = visit.address(paths.PATH, **{paths.FROM: found.start, paths.TO: found.end}, **path_questions.asked(visit))
    return Pair(names.get(found.start, found.start), names.get(found.end, found.end), found.paths, href)


def _chosen(visit: Visit, pairs: Sequence[RegionPaths], shown: Sequence[Pair]) -> Sequence[Pair]:
    """The pairs of the chosen region; without one, those that need a look most."""
    if region := visit.query.text(REGION):
        return [each for each, of in zip(shown, pairs, strict=True) if region in (of.start, of.end)]
    return sorted(shown, key=_order)[:_MOST]


def _order(pair: Pair) -> tuple[bool, bool, int]:
    best = pair.paths.best
    return pair.paths.HasField("best"), not best.HasField("budget") or best.budget.kept, -best.quality.delay_us


def _table(visit: Visit, title: str, pairs: Sequence[Pair], quality_class: str) -> Table:
    told = [title, *explanations(quality_class)]
    if not visit.query.text(REGION):
        told.append(
            translated("The {count} pairs that need a look most; choose a region for all of its own.", count=_MOST)
        )
    return replace(figures_table(pairs, quality_class), label=title, caption=" ".join(told))


VIEW = View.of(PATH, (rpcs.GET_CONFIGURATION, rpcs.GET_PATH_MATRIX), _read, _show, (*path_questions.QUERY, REGION))
