"""Which of the words that are known somebody may have meant. Pure."""

from collections.abc import Iterable
from difflib import SequenceMatcher

_MOST = 3


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """At most three of the known words, the most alike first; of two equally alike the first by the alphabet."""
    typed = word.casefold()

    def unlike(each: str) -> tuple[float, str]:
        return -SequenceMatcher(None, typed, each.casefold()).ratio(), each

    return sorted(known, key=unlike)[:_MOST]
