"""Proposes a complaint category from the words of the text, or none where the text is not clear. Pure.

The words are data of the federation: a new category and its words come into force together. Every region gives the same
proposal for the same text. The proposal lists the deciding words.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from gateway.api.federation.v1.configuration_pb2 import ComplaintWord, ComplaintWords
from gateway.federation.complaint_text import Clauses, Phrase, Place

MOST_CANDIDATES = 3
_TENTHS = 10
# The weight of each further word of a category, relative to the previous word. Many weak words do not outweigh a second
# complaint.
_FURTHER = 1 / 3
_LEAST_INDICATIONS = 2  # for a critical category


@dataclass(frozen=True)
class Candidate:
    """A possible category of a text."""

    category: str
    confidence: float
    """The probability that the category is right, from 0 to 1."""
    words: tuple[ComplaintWord, ...]
    """The category's words in the text, heaviest first."""


@dataclass(frozen=True)
class Proposal:
    """The proposed category of a text."""

    category: str
    """The code; empty where a person has to decide."""
    candidates: tuple[Candidate, ...]
    """The candidates, likeliest first; empty for a text without known words."""

    @property
    def confidence(self) -> float:
        """The confidence of the first candidate; 0 without one."""
        return self.candidates[0].confidence if self.candidates else 0.0


class Classifier:
    """The words of one revision, ready for texts. Immutable."""

    def __init__(self, words: ComplaintWords) -> None:
        self._doubt = words.doubt / _TENTHS
        self._spread = max(words.spread, 1) / _TENTHS
        phrases: dict[str, list[tuple[str, ComplaintWord]]] = {}
        for each in words.categories:
            for word in each.words:
                phrases.setdefault(word.text, []).append((each.category, word))
        self._phrases = [(Phrase(text), owners) for text, owners in sorted(phrases.items())]

    def candidates(self, text: str) -> list[Candidate]:
        """All categories with a word in the text, likeliest first, then by code."""
        found = self._found(text)
        told_words = {code: _weightiest(words) for code, words in found.items()}
        weights = {code: _together(words) for code, words in told_words.items()}
        highest = max([self._doubt, *weights.values()])
        total = self._share(self._doubt - highest) + sum(self._share(each - highest) for each in weights.values())
        told = [
            Candidate(code, self._share(weights[code] - highest) / total, words) for code, words in told_words.items()
        ]
        return sorted(told, key=lambda each: (-each.confidence, each.category))

    def propose(
        self, text: str, *, confidence: float, lead: float, critical: Collection[str] = frozenset()
    ) -> Proposal:
        """The likeliest category with at least that confidence, and that lead over the next category; both from 0 to 1.

        A category in `critical` calls people at night. It needs a second indication of fact, since angry texts have
        many words.
        """
        ranked = self.candidates(text)
        next_best = ranked[1].confidence if len(ranked) > 1 else 0.0
        is_clear = bool(ranked) and ranked[0].confidence >= confidence and ranked[0].confidence - next_best >= lead
        if is_clear and ranked[0].category in critical:
            is_clear = _indications(ranked[0].words) >= _LEAST_INDICATIONS
        return Proposal(ranked[0].category if is_clear else "", tuple(ranked[:MOST_CANDIDATES]))

    def _share(self, weight: float) -> float:
        return math.exp(weight / self._spread)

    def _found(self, text: str) -> dict[str, list[ComplaintWord]]:
        """The words in a text by category, each once, so that repetition proves nothing."""
        clauses = Clauses(text)
        places = [(place, owners) for phrase, owners in self._phrases for place in phrase.places(clauses)]
        found: dict[str, list[ComplaintWord]] = {}
        for owners in _not_covered(places):
            for category, word in owners:
                known = found.setdefault(category, [])
                if word not in known:
                    known.append(word)
        return found


_Owners = list[tuple[str, ComplaintWord]]


def _not_covered(places: Iterable[tuple[Place, _Owners]]) -> list[_Owners]:
    """The owners of all phrases that the text affirms, without phrases that are part of a longer phrase."""
    by_clause: dict[int, list[tuple[Place, _Owners]]] = {}
    for place, owners in places:
        by_clause.setdefault(place.clause, []).append((place, owners))
    return [
        owners
        for found in by_clause.values()
        for place, owners in found
        if not place.is_denied and not any(place.is_part_of(other) for other, _ in found)
    ]


def _together(words: Sequence[ComplaintWord]) -> float:
    """The weight of words of one category, weightiest first."""
    return math.fsum(word.weight * _FURTHER**place for place, word in enumerate(words))


def _indications(words: Iterable[ComplaintWord]) -> int:
    """The number of independent indications in the words.

    Overlapping words, as `leak*` and `leaked`, count once, and so does all rhetoric.
    """
    counted: list[str] = []
    rhetoric = 0
    for word in sorted(words, key=lambda each: each.rhetoric):
        letters = word.text.rstrip("*")
        if any(letters in each or each in letters for each in counted):
            continue
        if word.rhetoric:
            rhetoric = 1
        else:
            counted.append(letters)
    return len(counted) + rhetoric


def _weightiest(words: Iterable[ComplaintWord]) -> tuple[ComplaintWord, ...]:
    return tuple(sorted(words, key=lambda word: (-word.weight, word.text)))
