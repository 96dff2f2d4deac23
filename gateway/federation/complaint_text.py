"""Reads the text of a complaint: clauses, their words, and denials. Pure.

Chinese has no spaces and English has inflections; phrases match both without a dictionary for word boundaries. A phrase
includes its own negation where the negation is the complaint (`没信号`, `no signal`).
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

GAP = "…"
LONGEST_WORD = 40  # characters
_GAP_REACH = 16  # characters
_MOST_PLACES = 4  # of one phrase in a clause; it counts once
_LONGEST_CLAUSE = 200  # characters; nobody speaks so long without a mark, and the work grows with the square
_RUNS = re.compile(r"[\u3400-\u9fff]+|[a-z0-9]+")
# A conjunction ends a clause as a punctuation mark does: a denial before it does not reach the next clause.
_ENDS = re.compile(r"[^\w\s'’-]+|[\n_]|(?<!不)但是?(?!凡)|而是|可是|\bbut\b|\bhowever\b")
_SILENT = re.compile(r"['’]")
_BETWEEN = re.compile(r"(?<=[a-z0-9]) (?=[a-z0-9])")

# The rest of the clause after such a word is no complaint. Rhetorical questions (`不是说好`, `是不是`) deny nothing.
# The writer of `不是我` means something done in his name.
_DENIES_REST = re.compile(
    r"(?<!是)不是(?!说|已经|承诺|都|答应|我|本人|自己|让|叫|应该|想)|并不是|并非|不投诉|不是投诉|与此无关的"
    r"|\b(?:(?:is|was|its|am|im|are|this is) not (?:about|because|complaining|a|an|the|my)|isnt (?:about|a|the)"
    r"|not (?:about|because of|complaining|talking)|nothing (?:wrong|to do) with|no (?:problems?|issues?|complaints?)"
    r" (?:with|about)|dont mind)\b"
)
# The whole clause means that all is well.
_DENIES_CLAUSE = re.compile(
    r"没有?(?:什么|任何)?问题(?!的?解决)|不是问题|无关|(?:都|很|挺|蛮|还|也)好(?:的|了)?$|(?:都|很|挺|还|也|一切|是)正常"
    r"|挺快的?$|很快的?$|很满意|挺满意"
    r"|\b(?:is|are|was|were|works?|worked|its) (?:all |just |perfectly |quite )?(?:fine|ok|okay|great|good|perfect)\b"
    r"|\b(?:isnt|not|arent) the (?:problem|issue|point)\b|\bno problem\b"
)
_ASKS = re.compile(r"[吗么嘛]$")
# Directly before a phrase, these deny it. Phrases with their own negation are covered.
_DENIES_NEXT = re.compile(
    r"(?:没有?|并未|从未|未曾|不存在|不会|不算|不觉得)$"
    r"|\b(?:not|no|never|isnt|wasnt|arent|werent|without)(?: (?:really|very|so|too|even|any|being|that))? ?$"
)


def normal(text: str) -> tuple[str, ...]:
    """The clauses of a text: small letters, half width, nothing but Chinese characters, Latin letters and digits.

    One space separates English words; no space stands beside a Chinese character, so that `信 号` is `信号`.
    """
    folded = _SILENT.sub("", unicodedata.normalize("NFKC", text).casefold())
    found = (" ".join(_RUNS.findall(clause)) for clause in _ENDS.split(folded))
    joined = (_joined(clause) for clause in found if clause)
    return tuple(cut for clause in joined for cut in _cut(clause))


def pieces(word: str) -> list[str]:
    """The parts of a phrase between its gaps."""
    return word.split(GAP)


@dataclass(frozen=True)
class Place:
    """The position of a phrase in a clause: the ends of its parts, and whether the clause only denies it."""

    clause: int
    spans: tuple[tuple[int, int], ...]
    is_denied: bool

    @property
    def length(self) -> int:
        """Of the parts together, in characters."""
        return sum(end - start for start, end in self.spans)

    def is_part_of(self, other: "Place") -> bool:
        """Whether another phrase includes this one and is longer."""
        return (
            self.clause == other.clause
            and self.length < other.length
            and all(any(start <= a and b <= end for start, end in other.spans) for a, b in self.spans)
        )


class Phrase:
    """A word of the classifier, prepared for search. Immutable."""

    def __init__(self, word: str) -> None:
        self._parts = pieces(word)
        self._anchor = max((part.rstrip("*") for part in self._parts), key=len)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """The compiled pattern, made at its first use: compiling thousands at once would block a node for a second."""
        return re.compile(f".{{0,{_GAP_REACH}}}?".join(f"({_part(part)})" for part in self._parts))

    def places(self, clauses: "Clauses") -> Iterator[Place]:
        """The positions of the phrase, without overlaps: the first positions of each clause."""
        if self._anchor not in clauses.whole:
            return
        for number, clause in enumerate(clauses.texts):
            if self._anchor not in clause:
                continue
            for match in islice(self._pattern.finditer(clause), _MOST_PLACES):
                spans = tuple(match.span(group) for group in range(1, self._pattern.groups + 1))
                yield Place(number, spans, clauses.is_denied(number, match.start()))


class Clauses:
    """The clauses of a text, with their denials."""

    def __init__(self, text: str) -> None:
        self.texts = normal(text)
        self.whole = "\n".join(self.texts)
        self._denied_from = [_denied_from(clause) for clause in self.texts]

    def is_denied(self, clause: int, at: int) -> bool:
        """Whether the clause denies the phrase at a place."""
        return at >= self._denied_from[clause] or _DENIES_NEXT.search(self.texts[clause][:at]) is not None


def _denied_from(clause: str) -> int:
    """From where on a clause denies; its length where it denies nothing."""
    if _ASKS.search(clause):
        return len(clause)
    if _DENIES_CLAUSE.search(clause):
        return 0
    found = _DENIES_REST.search(clause)
    return found.end() if found else len(clause)


def _joined(clause: str) -> str:
    parts = _BETWEEN.split(clause)
    return " ".join(part.replace(" ", "") for part in parts)


def _cut(clause: str) -> Iterator[str]:
    for start in range(0, len(clause), _LONGEST_CLAUSE):
        if cut := clause[start : start + _LONGEST_CLAUSE].strip():
            yield cut


def _part(part: str) -> str:
    letters = part.rstrip("*")
    start = r"(?<![a-z0-9])" if letters[:1].isascii() else ""
    end = "[a-z]*" if part.endswith("*") else r"(?![a-z0-9])" if letters[-1:].isascii() else ""
    return f"{start}{re.escape(letters)}{end}"
