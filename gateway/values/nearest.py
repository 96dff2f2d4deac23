"""Known words similar to an unknown one, and the text that offers them."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.values.lists import either

_MOST = 3  # words that are offered
_LIKENESS = 0.6  # of two words, from 0 to 1: of five letters one may be wrong, or two swapped
# Words are compared on the event loop: beyond this number, only with known words of the same beginning.
_COMPARED = 500
_LENGTH = 64  # characters: no known word is longer


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """The known words most similar to a word, the most similar first; empty where none is similar.

    Case, hyphens and underscores do not count. `OrderService.SubmitOrdr` is similar to `OrderService.SubmitOrder`, and
    so is `SubmitOrder`.
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
    """The question to the author of an unknown name; both texts are empty without similar names."""
    if not names:
        return LocalizedText()
    meant = either(names)
    return LocalizedText(zh_cn=f"您是不是要找{meant.zh_cn}？", en=f"Did you mean {meant.en}?")


def _by_last_part(wanted: str, names: Iterable[str]) -> list[str]:
    """Names of several parts whose last part is similar to a word."""
    parts = [(each.rpartition(".")[2], each) for each in names if "." in each]
    like = get_close_matches(wanted, {part for part, _ in parts}, _MOST, _LIKENESS)
    return [each for near in like for part, each in parts if part == near][:_MOST]


def _plain(word: str) -> str:
    return word.casefold().replace("_", "-")
