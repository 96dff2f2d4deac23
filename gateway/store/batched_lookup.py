"""Looking for many values with few statements."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from gateway.store.port import Transaction, Value

T = TypeVar("T")

# The numbers of values per query: few, so that the statements stay the same.
_SIZES = (1, 16, 250)
_MOST = _SIZES[-1]
_NAMES = tuple(f"p{index}" for index in range(_MOST))
_LISTS = {size: ", ".join(f":{name}" for name in _NAMES[:size]) for size in _SIZES}


def among(values: Sequence[str]) -> tuple[str, dict[str, Value]]:
    """The named parameters of values for SQL, and the values by these names: each number of them is a statement."""
    parameters: dict[str, Value] = {f"p{index}": each for index, each in enumerate(values)}
    return ", ".join(f":{name}" for name in parameters), parameters


def rows_among(tx: Transaction, shape: Callable[..., T], query: str, values: Sequence[str]) -> list[T]:
    """The rows of `query`, which ends with the column that is to have one of the values."""
    found: list[T] = []
    for start in range(0, len(values), _MOST):
        asked = list(values[start : start + _MOST])
        size = next(each for each in _SIZES if len(asked) <= each)
        asked += asked[-1:] * (size - len(asked))
        parameters: dict[str, Value] = dict(zip(_NAMES[:size], asked, strict=True))
        found += tx.all(shape, f"{query} IN ({_LISTS[size]})", **parameters)
    return found
