"""What witnesses carry besides heads: which encryption keys a region has destroyed.

A region that is set up anew from an older backup has those keys again; its witnesses tell it which.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.store.port import Transaction


@dataclass(frozen=True)
class Erased:
    """A destroyed key. `number` counts those of the region, from 1; later ones have higher numbers."""

    number: int
    key_id: str


class Erasures(Protocol):
    """The destroyed keys of this region."""

    def erased_since(self, tx: Transaction, after: int, limit: int) -> Sequence[Erased]:
        """At most `limit` of them after a number, in order."""
        ...

    def apply_erased(self, tx: Transaction, key_ids: Sequence[str], now: datetime) -> None:
        """Destroys those of these keys that are there again, and notes them. Changes nothing where none is."""
        ...


class NoErasures:
    """For a region that destroys no keys."""

    def erased_since(self, tx: Transaction, after: int, limit: int) -> Sequence[Erased]:
        """See Erasures."""
        return ()

    def apply_erased(self, tx: Transaction, key_ids: Sequence[str], now: datetime) -> None:
        """See Erasures."""
