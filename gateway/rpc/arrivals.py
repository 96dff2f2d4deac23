"""Bounds the messages that callers begin and do not end.

gRPC keeps what has come of a message, and the window of a call is as large as a message once its server reads. It shows
nothing of that: a message on its way looks as one that its caller has not begun. So while the memory of a process
grows, few of its calls wait for messages for long.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from gateway.rpc.calls import Call

LATE = 1.0  # seconds: messages of honest callers come sooner, except large ones on slow lines
# Of one connection fewer than of its caller, so that a bad line leaves the calls on others alone.
OF_CONNECTION, OF_CALLER = 16, 32


@dataclass(eq=False, slots=True)
class Arriving:
    """A message that a call waits for."""

    call: Call
    since: float
    """A time of the event loop."""
    end: Callable[[int], None]
    """Ends the wait, with the number of the caller's calls that wait for long."""


class Arrivals:
    """The messages that the calls of one server wait for. Used on one event loop."""

    def __init__(self) -> None:
        self._awaited: dict[Arriving, None] = {}
        """Those that are awaited for longest are the first."""

    def add(self, call: Call, since: float, end: Callable[[int], None]) -> Arriving:
        """Counts a message as awaited until `remove`; that of a call without a connection of its own never ends."""
        arriving = Arriving(call, since, end)
        if call.connection:
            self._awaited[arriving] = None
        return arriving

    def remove(self, arriving: Arriving) -> None:
        """The message has come, or its call has ended."""
        self._awaited.pop(arriving, None)

    def end_many(self, now: float) -> bool:
        """Ends the longest of the waits for late messages that are too many; whether there were any.

        `now` is a time of the event loop.
        """
        late = [each for each in self._awaited if each.since + LATE <= now]
        of_caller, of_connection, ended = Counter[str](), Counter[str](), list[Arriving]()
        for each in reversed(late):
            caller, connection = each.call.share, each.call.connection
            if of_caller[caller] < OF_CALLER and of_connection[connection] < OF_CONNECTION:
                of_caller[caller] += 1
                of_connection[connection] += 1
            else:
                ended.append(each)
        calls = Counter(each.call.share for each in late)
        for each in ended:
            self.remove(each)
            each.end(calls[each.call.share])
        return bool(ended)
