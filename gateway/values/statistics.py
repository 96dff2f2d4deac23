"""Means, shares, rates and their 95 % confidence intervals. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_Z = 1.959963984540054  # of the normal distribution, two-sided 95 %
_PROMOTER, _DETRACTOR = 9, 6
_PERCENT = 100


@dataclass(frozen=True)
class Figure:
    """An estimate with its interval, and the number of cases behind it."""

    value: float
    low: float
    high: float
    answers: int


def share(part: int, whole: int) -> Figure:
    """A share with Wilson's interval (E. B. Wilson, 1927). `whole` is at least 1, and `part` at most `whole`."""
    value = part / whole
    spread = _Z * math.sqrt(value * (1 - value) / whole + _Z**2 / (4 * whole**2))
    scale, middle = 1 + _Z**2 / whole, value + _Z**2 / (2 * whole)
    return Figure(value, max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale), whole)


def rate(events: int, whole: int) -> Figure:
    """Events for each of `whole`, with Byar's interval of a Poisson count (Breslow and Day, 1987, page 69).

    `whole` is at least 1; a case may have several events.
    """
    return Figure(events / whole, _byar(events, -_Z) / whole, _byar(events + 1, _Z) / whole, whole)


def _byar(count: int, deviation: float) -> float:
    return max(0.0, count * (1 - 1 / (9 * count) + deviation / (3 * math.sqrt(count))) ** 3) if count else 0.0


def mean(marks: Mapping[int, int], lowest: int, highest: int) -> Figure:
    """The mean of marks, by mark its count, with the interval of Student's t inside of the scale.

    A single answer has the whole scale as its interval. Raises ZeroDivisionError without an answer.
    """
    answers = sum(marks.values())
    value = sum(mark * count for mark, count in marks.items()) / answers
    if answers == 1:
        return Figure(value, lowest, highest, answers)
    variance = sum(count * (mark - value) ** 2 for mark, count in marks.items()) / (answers - 1)
    half = student_t(answers - 1) * math.sqrt(variance / answers)
    return Figure(value, max(lowest, value - half), min(highest, value + half), answers)


def student_t(freedom: int) -> float:
    """The 97.5 % quantile of Student's t.

    Exact for 1 and 2 degrees of freedom, else within 0.3 % (Abramowitz and Stegun, 26.7.5). `freedom` is at least 1.
    """
    if freedom == 1:
        return math.tan(math.pi * 0.475)
    if freedom == 2:
        return 0.95 * math.sqrt(2 / (1 - 0.95**2))
    z = _Z
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return math.fsum(term / freedom**power for power, term in enumerate(terms))


def recommend_score(recommendations: Mapping[int, int]) -> Figure:
    """Percent of 9 and 10 minus percent of 0 to 6 (F. Reichheld, 2003), as the mean of +1, 0 and -1 in percent.

    Its interval is that of such a mean. Raises ZeroDivisionError without an answer.
    """
    promoters = sum(count for given, count in recommendations.items() if given >= _PROMOTER)
    detractors = sum(count for given, count in recommendations.items() if given <= _DETRACTOR)
    others = sum(recommendations.values()) - promoters - detractors
    return mean({_PERCENT: promoters, 0: others, -_PERCENT: detractors}, -_PERCENT, _PERCENT)


def shown(answers: Mapping[str, int], smallest: int) -> Sequence[str]:
    """The groups that may be shown, by name: none has fewer answers than `smallest`.

    Where the left-out groups together have fewer, the smallest of the others is left out too. Else a reader would learn
    them as the difference to a total.
    """
    ascending = sorted(answers, key=lambda name: (answers[name], name))
    left_out = 0
    while ascending and (answers[ascending[0]] < smallest or 0 < left_out < smallest):
        left_out += answers[ascending.pop(0)]
    return sorted(ascending)
