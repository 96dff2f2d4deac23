"""Shares of the registry: the most that the records of one region take, so that no region fills the space of all.

The shares of 31 regions together are less than half of the space that the shipped descriptions give etcd, 4 GiB. A
record counts by its charge, which is at least its bytes in the registry with its key.

Besides, changes have bounds in bytes an hour, of each region at each coordinator: etcd keeps each version for up to two
hours. Three regions that write without end at three coordinators fill less than etcd has. Pure.
"""

_KIB = 1024
_MIB = 1024 * _KIB
EVENTS = 56 * _MIB
"""For alarms and faults, with the problems behind them: a storm of a day, for they stay so long."""
CASES = 8 * _MIB
PLANNED_OUTAGES = 40 * _KIB
"""For planned outages: those of all regions are one value, and etcd takes 1.5 MiB."""

EVENT_WRITES = 28 * _MIB
"""For changes of alarms and faults: a storm of ten thousand with three versions each, within the hour."""
COUNT_WRITES = 8 * _MIB
"""For affected customers. Each count writes its problem."""
CASE_WRITES = 8 * _MIB
PLANNED_OUTAGE_WRITES = 8 * _MIB
"""For planned outages. Each change writes those of all regions."""
ASSIGNMENT_WRITES = 12 * _MIB
"""For assignments of numbers: thousands."""
HEARTBEAT_WRITES = 8 * _MIB
"""For reports in heartbeats: one each second or two. Without room the lease alone is extended."""
NEWCOMER_WRITES = 2 * _MIB
"""For the first heartbeats of processes, and for those with news."""
HEAD_WRITES = 4 * _MIB
"""For heads of audit chains: two a second. Further ones are left to later heartbeats."""
PROBLEM_WRITES = 64 * _MIB
"""For problems that one coordinator finds, from the events of all regions. Beyond it, one look a minute writes them."""


def whole(size: int, unit: int = _KIB) -> int:
    """A size in whole units, so that small changes of a record need no further room."""
    return -(-size // unit) * unit


def crowded(most: int) -> int:
    """The charge from which the oldest ended records of a region go, so that a new one always has room."""
    return most * 7 // 8


def relieved(most: int) -> int:
    """The charge down to which they go."""
    return most * 3 // 4


def region_of(record_id: str) -> str:
    """The region that reported a record, by an id that begins with it."""
    return record_id.partition("/")[0]
