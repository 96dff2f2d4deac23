"""The door of a server: how many calls are served at a time, in which order they begin, and which are refused.

The number for one owner finds itself (`gateway.process.limit`), by the time for which calls occupy this process; among
several it is small. Beside an owner with few calls, those with many have the fewest places, and while such a call is
served, no more of them than it takes. A call that lasts takes nothing from others: its owner is not small, and its
place comes on top of theirs. A call that waits for somebody else occupies nothing.

Calls beyond the number wait here, and begin in turns between owners: operator systems at a node, regions at a
coordinator. So a call waits for few others, however many another owner has sent. A call that would wait too long is
refused at once, before anything of it is read.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process.limit import Limit, Shared
from gateway.process.small_owners import SmallOwners
from gateway.process.turns import Turns

MOST = 1024  # calls served at a time
FIRST_ALONE = 256  # before anything is known
LEAST_ALONE = 32  # however long they take: commits are large
# Fewer make commits of SQLite small. More make another owner wait; of calls that cost little, gRPC then brings no more
# than are served at once, so that all others wait within gRPC, in their order.
AMONG_OTHERS = 8
FEW = 4  # calls of an owner at a time: a small operator has so many by chance, and more are a flood
LONG = 0.25  # seconds for which no call of a small operator occupies the process: orders take far less, late lists more
# Of all owners with many calls, beside one with few: fewer leave the process idle during a commit, and with more the
# calls of the other one wait for longer.
BESIDE_FEW = 3
# Seconds for which a call may occupy the process; among equals they only say which refused calls are worth counting.
GOAL_ALONE, GOAL_AMONG_OTHERS = 0.3, 0.012
PATIENCE = 0.3  # seconds for which a call may wait for its turn: beyond it, it would be done too late for its caller

# gRPC takes three rounds of the event loop, and a wake-up of its thread, for a call that it holds.
LOOK = 0.001  # seconds between two looks
# Calls served at a time without a look: with none the process does half as much, with more gRPC brings less.
BUSY = 4
BEGINNING = 0.05  # seconds for which a stream has a place: enough to refuse it, or to make its first answer
QUIET_LOOKS = 3  # in a row that bring no call, after which gRPC is taken to hold none
LOOKS = 16  # in a row, after which some calls begin nevertheless: in a flood no look is quiet, and places lie idle


class Admission:
    """Lets the calls of one server begin. Used on one event loop."""

    def __init__(self) -> None:
        self._waiting: Turns[tuple[str, asyncio.Future[None]]] = Turns()
        self._served = Shared()
        self._alone = Limit(GOAL_ALONE, least=LEAST_ALONE, first=FIRST_ALONE, most=MOST)
        self._among_others = Limit(GOAL_AMONG_OTHERS, least=AMONG_OTHERS, first=AMONG_OTHERS, most=AMONG_OTHERS)
        self._beside_few = Limit(GOAL_AMONG_OTHERS, least=BESIDE_FEW, first=BESIDE_FEW, most=BESIDE_FEW)
        self._limit = self._alone
        self._small = SmallOwners(FEW)
        self._held: dict[Place, float] = {}  # since when; the oldest is the first
        self._is_watching = False
        self._looks = self._quiet = 0
        self._is_looking = False

    @property
    def waiting(self) -> int:
        """The calls that wait for their turn."""
        return len(self._waiting)

    @property
    def served(self) -> int:
        """The calls that occupy this process."""
        return self._served.count

    @property
    def places(self) -> int:
        """How many calls may occupy it at a time, by the last call that came; beside few calls those of all others."""
        return self._limit.value

    async def begin(self, owner: str, calls: int) -> "Place":
        """A place for a call of the owner, who has so many, once it may begin.

        Raises Refused with CALLS_TOO_MANY where that would take too long.
        """
        loop = asyncio.get_running_loop()
        self._quiet, waiting = 0, self._waiting.of(owner)
        self._note_caller(owner, waiting + self._served.of(owner) + 1, loop.time())
        most = AMONG_OTHERS if self._limit is self._beside_few and owner in self._small else self._most()
        if waiting or not self._served.has_room(owner, most):
            if self._waiting.ahead_of(owner) > PATIENCE * self._limit.rate:
                raise Refused(Reason.REASON_CALLS_TOO_MANY, caller=owner, calls=str(calls))
            turn = loop.create_future()
            self._waiting.put(owner, (owner, turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():  # given in the moment in which the caller went away
                    self._give_back(owner)
                raise
        else:
            self._served.enter(owner)
        place = Place(self, owner)
        self._hold(place)
        return place

    def enter(self, place: "Place") -> None:
        """Takes a place for a call that goes on, whether or not there is one."""
        self._served.enter(place.owner)
        self._hold(place)

    def leave(self, place: "Place") -> None:
        """Gives a place back; a call that waits begins."""
        now = asyncio.get_running_loop().time()
        if now >= self._held.pop(place) + LONG:
            self._note_long(place.owner, now)
        self._give_back(place.owner)

    def _give_back(self, owner: str) -> None:
        self._served.leave(owner)
        if not self._waiting:
            return
        if self._limit is self._alone:
            self._let_begin()
            return
        self._let_begin(BUSY)
        if self._may_begin() and not self._is_looking:
            self._is_looking = True
            self._looks = self._quiet = 0
            asyncio.get_running_loop().call_later(LOOK, self._look)

    def note(self, began: float, seconds: float, now: float, *, is_refused: bool = False) -> None:
        """Takes into account a call that was served, or refused behind the door."""
        note = self._limit.note_refused if is_refused else self._limit.note
        note(began, seconds, self._served.count, now)

    def _hold(self, place: "Place") -> None:
        loop = asyncio.get_running_loop()
        self._held[place] = loop.time()
        if not self._is_watching:
            self._is_watching = True
            loop.call_later(LONG, self._watch)

    def _watch(self) -> None:
        """Notes the calls that last, while any is served. One timer for all: one for each call would cost it more."""
        loop = asyncio.get_running_loop()
        now, pause = loop.time(), LONG
        for place, since in self._held.items():
            if since + LONG > now:
                pause = since + LONG - now
                break
            self._note_long(place.owner, now)
        self._let_begin(BUSY)
        self._is_watching = bool(self._held)
        if self._is_watching:
            loop.call_later(pause, self._watch)

    def _note_long(self, owner: str, now: float) -> None:
        self._small.note(owner, self._waiting.of(owner) + self._served.of(owner), now, is_long=True)
        if self._limit is self._beside_few and not self._small:
            self._limit = self._among_others

    def _note_caller(self, owner: str, calls: int, now: float) -> None:
        self._small.note(owner, calls, now)
        if not self._waiting.is_shared(owner, now):
            self._limit = self._alone
        else:
            self._limit = self._beside_few if self._small else self._among_others

    def _most(self) -> int:
        """How many calls may be served at a time before another one of the queue begins."""
        if self._limit is not self._beside_few:
            return self._limit.value
        few, slow = self._served.of_all(self._small), self._served.of_all(self._small.slow)
        return min(AMONG_OTHERS, slow + few + min(few or BESIDE_FEW, self._limit.value))

    def _may_begin(self) -> bool:
        return bool(self._waiting) and self._served.count < self._most()

    def _let_begin(self, most: int = MOST) -> None:
        while self._may_begin() and self._served.count < most:
            ((owner, turn),) = self._waiting.take(1)
            if not turn.done():  # its caller may have gone away
                turn.set_result(None)
                self._served.enter(owner)

    def _look(self) -> None:
        self._looks += 1
        self._quiet += 1
        if self._quiet > QUIET_LOOKS or self._looks > LOOKS:
            self._is_looking = False
            self._let_begin()
        else:
            asyncio.get_running_loop().call_later(LOOK, self._look)


class Place:
    """A call's place among those that are served, from its making to `close`; not while it waits for somebody else."""

    def __init__(self, admission: Admission, owner: str) -> None:
        self.owner = owner
        self._admission = admission
        self._began = self._since = asyncio.get_running_loop().time()
        self._seconds = 0.0
        self._waits = 0
        self._is_closed = False

    def __enter__(self) -> None:
        """The current task serves the call."""
        _place.set(self)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        # A flood of calls that are refused occupies the process, too.
        if error is None or isinstance(error, Refused):
            self.note(is_refused=error is not None)
        self.close()

    def note(self, *, is_refused: bool = False) -> None:
        """The call has been served, or refused: it shows how busy the process is."""
        now = asyncio.get_running_loop().time()
        self._admission.note(self._began, self._seconds + now - self._since, now, is_refused=is_refused)

    def close(self) -> None:
        """Gives the place back, if it still is taken."""
        if self._is_closed:
            return
        self._is_closed = True
        if not self._waits:
            self._admission.leave(self)

    @contextmanager
    def at_its_beginning(self) -> Iterator[None]:
        """The place of a stream, which may last for days: given back once it has begun, or has ended before.

        One that is refused before counts as a call does. Others do not: they may have waited for their callers.
        """
        timer = asyncio.get_running_loop().call_later(BEGINNING, self.close)
        try:
            yield
        except Refused:
            if not self._is_closed:
                self.note(is_refused=True)
            raise
        finally:
            timer.cancel()
            self.close()

    def pause(self) -> None:
        """Gives the place to others until `resume`. Several tasks of a call may do so at a time."""
        self._waits += 1
        if self._waits == 1 and not self._is_closed:
            self._seconds += asyncio.get_running_loop().time() - self._since
            self._admission.leave(self)

    def resume(self) -> None:
        """Takes the place again."""
        self._waits -= 1
        if not self._waits and not self._is_closed:
            self._since = asyncio.get_running_loop().time()
            self._admission.enter(self)


_place: ContextVar[Place | None] = ContextVar("crossregion_place", default=None)


def current_place() -> Place | None:
    """The place of the call that the current task serves; None outside of one, and in a stream."""
    return _place.get()


class elsewhere:  # noqa: N801 - as those of contextlib
    """A part of a call in which others work: another region, a system of this one, or people."""

    __slots__ = ("_place",)

    def __enter__(self) -> None:
        self._place = _place.get()
        if self._place is not None:
            self._place.pause()

    def __exit__(self, *_: object) -> None:
        if self._place is not None:
            self._place.resume()
