"""The words by which options, fields and files of a command name the values of an enum of the contract."""

from collections.abc import Iterable
from typing import TypeVar

V = TypeVar("V")


def option_words(values: Iterable[tuple[str, V]]) -> dict[str, V]:
    """Each value but the first, which means unspecified, by its word: `ORDER_STATE_IN_PROGRESS` is `in-progress`.

    `values` are the `items()` of the enum.
    """
    (unset, _), *named = values
    prefix = unset.removesuffix("UNSPECIFIED")
    return {name.removeprefix(prefix).lower().replace("_", "-"): value for name, value in named}
