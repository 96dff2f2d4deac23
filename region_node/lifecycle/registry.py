"""The registered kinds of records of one region, for erasure, legal holds and retention."""

from collections.abc import Sequence
from dataclasses import dataclass

from region_node.node.context import RegionContext
from region_node.records.kinds import RecordKind


@dataclass(frozen=True)
class Registry:
    """A region, and every kind of record that it keeps. The order of the kinds is that of checks and of purges."""

    context: RegionContext
    kinds: Sequence[RecordKind]
