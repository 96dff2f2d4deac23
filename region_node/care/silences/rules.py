"""The limits of an owner's silence, and the region that escalates each of them. Pure."""

from collections.abc import Sequence
from datetime import datetime

from gateway.api.region.v1.silence_pb2 import OwnerSilence
from gateway.time.clock import from_timestamp, to_timestamp


def others(owner: str, origin: str, helpers: Sequence[str]) -> Sequence[str]:
    """The regions of a ticket but its owner: the origin, then the helpers in their order, each once."""
    return [each for each in dict.fromkeys((origin, *helpers)) if each != owner]


def silent_since(silence: OwnerSilence, due: datetime | None, watching: int, calls: int) -> datetime | None:
    """Since when the next limit of the owner's silence runs: the due time, or the limit that was noted last.

    The first of so many regions that are `watching` escalates `calls` limits, each further one a single limit. None for
    a ticket in which nothing is due, and where the last limit was noted.
    """
    if silence.limits_passed >= calls + watching - 1:
        return None
    return from_timestamp(silence.note_time) if silence.limits_passed else due


def next_silence(
    silence: OwnerSilence, due: datetime, callers: Sequence[str], calls: int, now: datetime
) -> OwnerSilence:
    """The silence after another limit without the owner's word on what is due, with the region that escalates it.

    The first of the `callers` reaches the first `calls` levels. Where its work has no effect, or it is silent itself,
    each further one reaches the highest level once. So no two regions escalate the same limit, without a message.
    """
    passed = silence.limits_passed + 1
    region = next(iter(callers[max(passed - calls, 0) :]), "")
    return OwnerSilence(due_time=to_timestamp(due), limits_passed=passed, note_time=to_timestamp(now), region=region)
