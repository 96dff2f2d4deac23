"""Looking for many values with few statements."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from gateway.store.port import Transaction, Value

T = TypeVar("T")

# The number of values per query: constant, so that the statement stays the same.
_ASKED = 250
_NAMES = tuple(f"p{index}" for index in range(_ASKED))
_LIST = ", ".join(f":{name}" for name in _NAMES)


def rows_among(tx: Transaction, shape: Callable[..., T], query: str, values: Sequence[str]) -> list[T]:
    """The rows of `query`, which ends with the column that is to have one of the values."""
    found: list[T] = []
    for start in range(0, len(values), _ASKED):
        asked = list(values[start : start + _ASKED])
        asked += asked[-1:] * (_ASKED - len(asked))
        parameters: dict[str, Value] = dict(zip(_NAMES, asked, strict=True))
        found += tx.all(shape, f"{query} IN ({_LIST})", **parameters)
    return found
