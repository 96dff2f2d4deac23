"""The times at which the loops of a process look around, such as after a stepped clock: together, not one by one."""

import asyncio

_TOO_SOON = 0.01  # of an interval: a loop that wakes a moment before its look has looked


def until_look(interval: float) -> float:
    """Seconds until the next look of all loops that look at this interval (seconds); hardly more than the interval.

    Looks are at the multiples of the interval on the event loop's clock: a process at rest wakes once for all of them.
    """
    left = interval - asyncio.get_running_loop().time() % interval
    return left if left > _TOO_SOON * interval else left + interval
