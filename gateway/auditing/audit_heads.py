"""Compares the audit head reported by a region with the stored head of its chain. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from gateway.auditing.audit import Head
from gateway.time.clock import BETWEEN_TRUSTED, to_microseconds

_JOIN_SECONDS = timedelta(seconds=2)  # timeout of a heartbeat at one coordinator
# Processes of a region share a chain, so a delayed heartbeat may arrive behind a later one. Each coordinator dates the
# heads that it receives, and the clocks of two of them may differ. The first heartbeat after that time reveals a
# truncated chain.
ON_ITS_WAY = BETWEEN_TRUSTED + _JOIN_SECONDS


@dataclass(frozen=True)
class KeptHead:
    """The end of a region's audit chain, as stored by the recipient of the head."""

    head: Head
    signature: bytes
    time: datetime


def dated_bytes(owner: str, head: Head, time: datetime) -> bytes:
    """The bytes that are signed of the head of an owner's chain at a time.

    The owner and a zero byte, the time (microseconds in 8 bytes big-endian), and the head.
    """
    return owner.encode() + b"\0" + to_microseconds(time).to_bytes(8, "big") + head.signed_bytes()


class Continuation(Enum):
    """The relation of a reported head to the kept one."""

    FURTHER = auto()
    """The reported head replaces the stored one."""
    KNOWN = auto()
    """The reported head is the stored one, or was overtaken by it in transit."""
    CONTRADICTING = auto()
    """The region's chain was cut or rewritten."""


def continuation(before: KeptHead | None, told: KeptHead) -> Continuation:
    """Compares a reported head with the stored head, if there is one."""
    if before is None or told.head.sequence > before.head.sequence:
        return Continuation.FURTHER
    if told.head == before.head:
        return Continuation.KNOWN
    if told.head.sequence < before.head.sequence and told.time - before.time <= ON_ITS_WAY:
        return Continuation.KNOWN
    return Continuation.CONTRADICTING


def is_newly_signed(before: KeptHead | None, told: KeptHead) -> bool:
    """Whether the kept head is reported with a later signature of other bytes, as by the key after a revoked one.

    The caller has verified the signature.
    """
    return (
        before is not None
        and told.head == before.head
        and told.signature != before.signature
        and (told.time >= before.time)
    )
