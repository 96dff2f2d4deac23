"""The faults of a run, drawn from a seed: the same seed plans the same faults."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from tests.bench.mixed import shuffled


class FaultKind(Enum):
    """What happens to a member or a link."""

    KILL = "killed"
    """kill -9, and started again."""
    RESTART = "restarted"
    """Stopped in order, and started again."""
    FREEZE = "frozen"
    """SIGSTOP, and SIGCONT."""
    PRIMARY = "failed over"
    """The primary of a region's PostgreSQL fails, and Patroni makes another member the primary."""
    CUT = "cut"
    """Connections are reset, and new ones too."""
    SILENT = "silent"
    """Nothing gets through, and nobody says so."""
    ANSWERS = "answers lost"
    """Requests get through, their answers do not."""
    SLOW = "slow"
    """Every chunk of bytes is late."""
    CLOCK = "clock stepped"
    """The time of day of a region is wrong by hours."""
    COORDINATOR_CLOCK = "coordinator's clock stepped"
    """The time of day of a coordinator is wrong by hours."""
    CROWD = "overloaded"
    """An operator offers a process of a region far more than it can do."""
    FULL = "disk full"
    """A region cannot write."""
    VERSION = "at the last release"
    """Replaced in order by a process of the last release, and by the present one again."""


CLOCKS = (FaultKind.CLOCK, FaultKind.COORDINATOR_CLOCK)
MOST_AT_ONCE = 3
"""Faults at a time, so that something of the system is left."""
_GAP = (1.0, 6.0)  # seconds from one fault to the next
_LASTS = (1.0, 8.0)  # seconds of a fault
_HOURS = (-6, -2, 3, 30)  # by which a clock is wrong


@dataclass(frozen=True)
class Target:
    """What a fault can happen to."""

    name: str
    groups: tuple[str, ...]
    """What else must be well meanwhile: one fault of each group at a time."""


@dataclass(frozen=True)
class Planned:
    """A fault that is to happen."""

    at: float
    """Seconds after the beginning of the load; later where one of its groups is still busy."""
    kind: FaultKind
    target: Target
    seconds: float
    """How long it lasts at least; longer until it has shown itself."""
    hours: int = 0
    """Of a clock: by how much it is wrong."""


def drawn(seed: int, seconds: float, targets: Mapping[FaultKind, Sequence[Target]]) -> list[Planned]:
    """The faults of a run, in their order. Each kind comes before any comes again."""
    source = random.Random(seed)
    kinds = shuffled({kind.name: 1 for kind in targets if targets[kind]}, source)
    turns = {kind: shuffled({each.name: 1 for each in targets[kind]}, source) for kind in targets if targets[kind]}
    found: list[Planned] = []
    at = source.uniform(*_GAP)
    while at < seconds:
        kind = FaultKind[next(kinds)]
        name = next(turns[kind])
        target = next(each for each in targets[kind] if each.name == name)
        hours = source.choice(_HOURS) if kind in CLOCKS else 0
        found.append(Planned(at, kind, target, source.uniform(*_LASTS), hours))
        at += source.uniform(*_GAP)
    return found
