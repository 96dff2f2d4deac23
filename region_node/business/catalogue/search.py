"""Finds businesses by words: pairs of characters in Chinese, words and their beginnings in English. Pure.

No index outside: a catalogue is small, and its words are read once per revision.
"""

import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.api.federation.v1.configuration_pb2 import Business

_RUNS = re.compile(r"[\u3400-\u9fff]+|[a-z0-9]+")
# Filler words around the meaning of a query.
_EMPTY_WORDS = frozenset(
    {"a", "an", "and", "another", "at", "can", "do", "for", "how", "i", "in", "is", "it", "me", "my", "need", "of"}
    | {"on", "or", "please", "the", "to", "want", "with"}
)
# Words of customers, and the words of the catalogue for the same.
_ALSO = {
    "lost": "loss",
    "lose": "loss",
    "stolen": "loss",
    "丢失": "挂失",
    "被盗": "挂失",
    "机丢": "挂失",
    "卡丢": "挂失",
    "补卡": "换卡",
    "话费": "交费",
    "注销": "销户",
    "缴费": "交费",
    "充值": "交费",
}
_EMPTY_CHINESE = re.compile(r"我想要?|我要|怎么|如何|请问|办理|的|了")
_CODE, _NAME, _GUIDE, _TARIFF = 8.0, 6.0, 2.0, 1.0
_BEGINNING = 0.7  # of the weight of a whole word
_SHARE = 3  # one word in so many has to match, since people write more words than the catalogue has
_STEM = 4  # letters from which a word of the catalogue may be the beginning of a typed word


def words_of(text: str) -> list[str]:
    """The words of a text: pairs of adjacent Chinese characters (single ones alone), English words."""
    found: list[str] = []
    for run in _RUNS.findall(unicodedata.normalize("NFKC", text).casefold()):
        if run[0].isascii():
            found.append(run)
        else:
            found += [run[at : at + 2] for at in range(max(1, len(run) - 1))]
    return found


@dataclass(frozen=True)
class _Entry:
    business: Business
    weights: dict[str, float]
    """The weight of each word: that of its most important place."""

    def score(self, word: str) -> float:
        """The score of a typed word: best as a whole word, then as a beginning."""
        if word in _ALSO:
            return max(self._fit(word), self._fit(_ALSO[word]))
        return self._fit(word)

    def _fit(self, word: str) -> float:
        whole = self.weights.get(word, 0.0)
        beginnings = (weight for known, weight in self.weights.items() if _begins(known, word))
        return max(whole, _BEGINNING * max(beginnings, default=0.0))


def _begins(known: str, typed: str) -> bool:
    return known.startswith(typed) or (len(known) >= _STEM and known.isascii() and typed.startswith(known))


class Search:
    """The words of a catalogue. Immutable."""

    def __init__(self, businesses: Iterable[Business]) -> None:
        self._entries = [_entry(business) for business in businesses]

    def find(self, query: str, limit: int) -> list[Business]:
        """At most `limit` businesses, best first: those that match at least a third of the significant words."""
        words = _meant(query)
        scores = {word: [entry.score(word) for entry in self._entries] for word in words}
        # A word that matches few businesses weighs more than one that matches many.
        worth = {
            word: math.log1p(len(self._entries) / hits)
            for word, found in scores.items()
            if (hits := sum(each > 0 for each in found))
        }
        ranked = []
        for number, entry in enumerate(self._entries):
            fitting = [word for word in words if scores[word][number] > 0]
            if fitting and _SHARE * len(fitting) >= len(words):
                total = sum(scores[word][number] * worth[word] for word in fitting)
                ranked.append((-total, entry.business.code, entry.business))
        return [business for _, _, business in sorted(ranked, key=lambda each: each[:2])[:limit]]


def _entry(business: Business) -> _Entry:
    places = [(_CODE, business.code.replace("_", " "))]
    places += [(_NAME, text) for text in (business.name.zh_cn, business.name.en)]
    places += [(_GUIDE, text) for step in business.guide for text in (step.zh_cn, step.en)]
    places += [(_TARIFF, text) for text in (business.tariff.zh_cn, business.tariff.en)]
    weights: dict[str, float] = {}
    for weight, text in places:
        for word in words_of(text):
            weights[word] = max(weight, weights.get(word, 0.0))
    return _Entry(business, weights)


def _meant(query: str) -> list[str]:
    """The significant words of a query, each once; all of them without any."""
    told = words_of(_EMPTY_CHINESE.sub(" ", query))
    meant = [word for word in told if word not in _EMPTY_WORDS]
    return list(dict.fromkeys(meant or words_of(query)))
