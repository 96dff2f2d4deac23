"""Known words that are like one that nobody knows, and how they are offered."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from gateway.api.types.v1.types_pb2 import LocalizedText

_MOST = 3  # words that are offered
_LIKENESS = 0.6  # of two words, from 0 to 1: one letter of five may be wrong, or two in another order
# A word is compared with each known one on the event loop: beyond so many with those of the same beginning alone.
_COMPARED = 500
_LENGTH = 64  # characters: no known word is longer


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """The known words that are most like a word, the likest first; none where none is like it.

    Capitals and small letters are the same, and so are hyphens and underlines. `OrderService.SubmitOrdr` is like
    `OrderService.SubmitOrder`, and so is `SubmitOrder`.
    """
    wanted = _plain(word[:_LENGTH])
    names = {_plain(each): each for each in known}
    if len(names) > _COMPARED:
        names = {plain: each for plain, each in names.items() if plain[:1] == wanted[:1]}
    found = get_close_matches(wanted, names, _MOST, _LIKENESS)
    if not found and "." not in wanted:
        found = _by_last_part(wanted, names)
    return [names[each] for each in found]


def suggested(names: Sequence[str]) -> LocalizedText:
    """What is asked of somebody who wrote none of these names; both texts are empty where there is none."""
    if not names:
        return LocalizedText()
    english, chinese = ([*names[:-2], between.join(names[-2:])] for between in (" or ", "或"))
    return LocalizedText(zh_cn=f"您是不是要找{'、'.join(chinese)}？", en=f"Did you mean {', '.join(english)}?")


def _by_last_part(wanted: str, names: Iterable[str]) -> list[str]:
    """Names of several parts of which the last one is like a word."""
    parts = [(each.rpartition(".")[2], each) for each in names if "." in each]
    like = get_close_matches(wanted, {part for part, _ in parts}, _MOST, _LIKENESS)
    return [each for near in like for part, each in parts if part == near][:_MOST]


def _plain(word: str) -> str:
    return word.casefold().replace("_", "-")
