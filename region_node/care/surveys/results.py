"""Results of surveys from counts of marks. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from gateway.api.region.v1 import survey_service_pb2 as api
from gateway.api.region.v1.survey_pb2 import SurveyMark, SurveyQuestion
from gateway.values import statistics
from region_node.care.surveys.rows import ANSWERS, INVITATIONS, RECOMMENDATION, Count

_LOWEST, _HIGHEST = SurveyMark.SURVEY_MARK_VERY_DISSATISFIED, SurveyMark.SURVEY_MARK_VERY_SATISFIED
_QUESTIONS = tuple(each for each in SurveyQuestion.values() if each)


def results(region: str, counts: Sequence[Count], smallest: int) -> api.GetSurveyResultsResponse:
    """The results by region, business and channel, without groups of fewer than `smallest` answers.

    A group is shown where each month shows it, so that no two ranges of months tell more than their months do.
    """
    return api.GetSurveyResultsResponse(
        region=region,
        total=next(iter(_groups(counts, lambda _: "", smallest)), None),
        by_region=_groups(counts, lambda each: each.region, smallest),
        by_business=_groups(counts, lambda each: each.business, smallest),
        by_channel=_groups(counts, lambda each: each.channel, smallest),
        smallest_group=smallest,
    )


def _groups(counts: Sequence[Count], name: Callable[[Count], str], smallest: int) -> list[api.SurveyGroup]:
    marks: defaultdict[str, defaultdict[int, Counter[int]]] = defaultdict(lambda: defaultdict(Counter))
    months: defaultdict[int, defaultdict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for each in counts:
        marks[name(each)][each.question][each.mark] += each.answers
        months[each.question][each.month][name(each)] += each.answers
    shown = {question: _shown(found.values(), smallest) for question, found in months.items()}
    return [
        _group(group, marks[group], {question for question, groups in shown.items() if group in groups})
        for group in sorted(shown.get(ANSWERS, ()))
    ]


def _shown(months: Iterable[Mapping[str, int]], smallest: int) -> set[str]:
    """The groups that each of some months shows, by the answers of its groups. One without answers hides nothing."""
    answered, hidden = set[str](), set[str]()
    for answers in months:
        found = {group for group, number in answers.items() if number}
        answered |= found
        hidden |= found.difference(statistics.shown(answers, smallest))
    return answered - hidden


def _group(name: str, marks: Mapping[int, Counter[int]], shown: Collection[int]) -> api.SurveyGroup:
    invitations, answers = marks[INVITATIONS].total(), marks[ANSWERS].total()
    group = api.SurveyGroup(
        name=name,
        invitations=invitations,
        answers=answers,
        response_rate=_figure(statistics.share(answers, max(invitations, answers))),
    )
    for question in _QUESTIONS:
        if question in shown:
            figure = _figure(statistics.mean(marks[question], _LOWEST, _HIGHEST))
            group.scores.add(question=question, figure=figure)
    if RECOMMENDATION in shown:
        group.recommendation.CopyFrom(_figure(statistics.recommend_score(marks[RECOMMENDATION])))
        group.recommend_score = group.recommendation.value
    return group


def _figure(found: statistics.Figure) -> api.SurveyFigure:
    return api.SurveyFigure(value=found.value, low=found.low, high=found.high, answers=found.answers)
