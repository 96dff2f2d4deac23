"""Answers and results of surveys as texts for people."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.api.region.v1.survey_pb2 import SurveyAnswer, SurveyMark, SurveyQuestion
from gateway.api.region.v1.survey_service_pb2 import GetSurveyResultsResponse, SurveyFigure, SurveyGroup
from gateway.wording.languages import clauses, translated
from gateway.wording.terms import category_name, region_name
from gateway.wording.words import value_word, word

QUESTIONS = tuple(each for each in SurveyQuestion.values() if each)
_NONE = "–"


@dataclass(frozen=True)
class Group:
    """A group of results, every figure as text."""

    dimension: str
    name: str
    invited: str
    answered: str
    response_rate: str
    scores: Sequence[str]
    """For each question, in their order."""
    recommend_score: str


def question_name(question: SurveyQuestion.ValueType) -> str:
    """A question in the language of the command."""
    return value_word(SurveyQuestion.DESCRIPTOR, question)


def _mark_name(mark: SurveyMark.ValueType) -> str:
    return value_word(SurveyMark.DESCRIPTOR, mark)


def told_ratings(answer: SurveyAnswer) -> str:
    """The ratings of an answer: question, mark, and the words of the customer."""
    return clauses(
        f"{question_name(each.question)}: {_mark_name(each.mark)}{f' ({each.words})' if each.words else ''}"
        for each in answer.ratings
    )


def groups(results: GetSurveyResultsResponse) -> list[Group]:
    """All together, then the groups by region, by business, and by channel."""
    return [
        *([_group(translated("all"), "", results.total)] if results.HasField("total") else []),
        *(_group(translated("region"), region_name(each.name), each) for each in results.by_region),
        *(_group(translated("business"), business_name(each.name), each) for each in results.by_business),
        *(_group(translated("channel"), channel_name(each.name), each) for each in results.by_channel),
    ]


def business_name(code: str) -> str:
    """A business or category; a campaign has none."""
    return category_name(code) if code else translated("campaign")


def channel_name(channel: str) -> str:
    """A channel; a campaign has none."""
    return word(channel, "") if channel else translated("campaign")


def _group(dimension: str, name: str, group: SurveyGroup) -> Group:
    found = {each.question: each.figure for each in group.scores}
    return Group(
        dimension=dimension,
        name=name,
        invited=str(group.invitations),
        answered=str(group.answers),
        response_rate=f"{told_share(group.response_rate.value)} ({told_shares(group.response_rate)})",
        scores=[_score(found[each]) if each in found else _NONE for each in QUESTIONS],
        recommend_score=_recommendation(group),
    )


def told_share(share: float) -> str:
    """A share in percent."""
    return f"{share:.1%}"


def told_shares(figure: SurveyFigure) -> str:
    """The interval of a share in percent."""
    return f"{told_share(figure.low)}–{told_share(figure.high)}"


def told_recommendation(score: float) -> str:
    """A recommend score in percent, with its sign."""
    return f"{score:+.0f}"


def told_recommendations(figure: SurveyFigure) -> str:
    """The interval of a recommend score."""
    return translated("{low} to {high}", low=told_recommendation(figure.low), high=told_recommendation(figure.high))


def _recommendation(group: SurveyGroup) -> str:
    if not group.HasField("recommendation"):  # of a node of the version before
        return told_recommendation(group.recommend_score) if group.HasField("recommend_score") else _NONE
    figure = group.recommendation
    return f"{told_recommendation(figure.value)} ({told_recommendations(figure)})"


def _score(figure: SurveyFigure) -> str:
    return f"{figure.value:.2f} ({figure.low:.2f}–{figure.high:.2f})"
