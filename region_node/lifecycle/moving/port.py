"""How a region has a coordinator name the new home of a number."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Assign = Callable[[str, str], Awaitable[None]]
"""Returns once the number plan names a region, the second, for a number in E.164. Raises Refused, or Unreachable."""


@dataclass(frozen=True)
class MoveEnded:
    """Published when a customer was handed over, refused, taken over or unmarked, or is known to come from nobody."""
