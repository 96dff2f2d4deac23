"""How a region has a coordinator name the new home of a number."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Assign = Callable[[str, str], Awaitable[None]]
"""Returns once the number plan names a region, the second, for a number in E.164. Raises Refused, or Unreachable."""


@dataclass(frozen=True)
class MoveEnded:
    """Published when a customer was handed over, refused or taken over, or when nobody has handed one over."""
