"""The region's texts in both languages, for what is written before its reader is known."""

from pathlib import Path

from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.wording.languages import in_both_languages

TEXTS = Path(__file__).parents[1] / "texts"
"""The catalogues of this program."""


def localized(words: str) -> LocalizedText:
    """Words as commands and pages have them; a word that no catalogue has stays as it is."""
    return in_both_languages(words, TEXTS)
