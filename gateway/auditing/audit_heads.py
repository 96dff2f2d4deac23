"""What an audit head that a region hands in says of its chain, given the one that is kept. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from gateway.auditing.audit import Head
from gateway.federation.current import MAX_CLOCK_ERROR

_JOIN_SECONDS = timedelta(seconds=2)  # in which a node gives up a heartbeat at one coordinator
# A region's processes share a chain: a heartbeat that was overtaken by another one's is later by as long as it was on
# its way. Each is dated by the coordinator that took it in, and of two of those the clocks may differ by as much as the
# federation allows. A chain that was cut is found by a heartbeat after that, within a minute.
ON_ITS_WAY = MAX_CLOCK_ERROR + _JOIN_SECONDS


@dataclass(frozen=True)
class KeptHead:
    """The end of a region's audit chain as it was handed in to somebody who keeps it."""

    head: Head
    signature: bytes
    time: datetime


class Continuation(Enum):
    """How a head stands to the kept one."""

    FURTHER = auto()
    """It is to be kept instead."""
    KNOWN = auto()
    """It is the kept one, or was overtaken by it on its way."""
    CONTRADICTING = auto()
    """The region's chain was cut or rewritten."""


def continuation(before: KeptHead | None, told: KeptHead) -> Continuation:
    """Compares a head with the one that is kept, if there is one."""
    if before is None or told.head.sequence > before.head.sequence:
        return Continuation.FURTHER
    if told.head == before.head:
        return Continuation.KNOWN
    if told.head.sequence < before.head.sequence and told.time - before.time <= ON_ITS_WAY:
        return Continuation.KNOWN
    return Continuation.CONTRADICTING
