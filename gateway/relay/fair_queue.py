"""The order in which a lane sends: operators take turns, bulk comes last, one envelope per subject at a time.

Pure: no clock, no I/O.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.relay.envelopes import Sealed


@dataclass
class Parcel:
    """An envelope in a lane, and how often it was sent."""

    sealed: Sealed
    attempts: int = 0
    withdrawn: bool = False
    not_taken: Reason.ValueType = Reason.REASON_UNSPECIFIED
    """Why the destination has not taken it, as far as that is kept."""

    @property
    def envelope_id(self) -> str:
        """The envelope's id."""
        return self.sealed.content.id

    @property
    def subject(self) -> str:
        """What it is about: parcels of one subject leave in the order in which they came."""
        return self.sealed.content.subject


_Lines = OrderedDict[str, deque[Parcel]]


class FairQueue:
    """Parcels that wait. Every parcel that `take` gave out is given back by `release` or `put_back`."""

    def __init__(self) -> None:
        self._urgent: _Lines = OrderedDict()
        self._bulk: _Lines = OrderedDict()
        self._waiting: dict[str, Parcel] = {}
        self._out: dict[str, str] = {}  # the envelope that is out, by subject
        self._withdrawn: set[str] = set()  # until it is decided what becomes of them
        self._blocked: dict[str, deque[Parcel]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, parcel: Parcel) -> None:
        """Adds a parcel behind the others of its operator, unless it waits, is out or was withdrawn already."""
        envelope_id = parcel.envelope_id
        if (waiting := self._waiting.get(envelope_id)) is not None:
            waiting.attempts = max(waiting.attempts, parcel.attempts)  # another process may have sent it meanwhile
            return
        if envelope_id in self._withdrawn:
            return
        if self._out.get(parcel.subject) == envelope_id:
            return
        self._waiting[parcel.envelope_id] = parcel
        self._line(parcel).append(parcel)

    def take(self, limit: int, bytes_limit: int) -> list[Parcel]:
        """Takes at most `limit` parcels, no two of one subject, of at most about `bytes_limit` bytes in all."""
        taken: list[Parcel] = []
        size = 0
        for lines in (self._urgent, self._bulk):
            while lines and len(taken) < limit and size < bytes_limit:
                parcel = self._take_turn(lines)
                if parcel is not None:
                    taken.append(parcel)
                    size += len(parcel.sealed.envelope.content)
        return taken

    def release(self, subject: str) -> None:
        """Lets the next parcel of a subject go: the one before it is done."""
        self._out.pop(subject, None)
        blocked = self._blocked.pop(subject, None)
        if blocked:
            for parcel in reversed(blocked):
                self._line(parcel).appendleft(parcel)

    def put_back(self, parcels: Iterable[Parcel]) -> None:
        """Puts parcels in front again, to be sent once more, ahead of their subjects' later ones."""
        for parcel in reversed(list(parcels)):
            self.release(parcel.subject)
            self._waiting[parcel.envelope_id] = parcel
            self._line(parcel).appendleft(parcel)

    def withdraw(self, envelope_id: str) -> Parcel | None:
        """Takes out a parcel that was never sent. None where it was, or is not here."""
        parcel = self._waiting.get(envelope_id)
        if parcel is None or parcel.attempts > 0:
            return None
        parcel.withdrawn = True
        self._withdrawn.add(envelope_id)
        del self._waiting[envelope_id]
        return parcel

    def forget(self, envelope_id: str) -> None:
        """Ends a withdrawal: the envelope may be put again."""
        self._withdrawn.discard(envelope_id)

    def _line(self, parcel: Parcel) -> deque[Parcel]:
        lines = self._bulk if parcel.sealed.content.bulk else self._urgent
        return lines.setdefault(parcel.sealed.content.operator, deque())

    def _take_turn(self, lines: _Lines) -> Parcel | None:
        """The next parcel of the operator whose turn it is; None where it has none that may leave."""
        operator, line = lines.popitem(last=False)
        parcel = next(self._free(line), None)
        if line:
            lines[operator] = line
        if parcel is not None:
            self._out[parcel.subject] = parcel.envelope_id
            del self._waiting[parcel.envelope_id]
        return parcel

    def _free(self, line: deque[Parcel]) -> Iterator[Parcel]:
        """Parcels of a line that may leave now; those behind one of their own subject step aside."""
        while line:
            parcel = line.popleft()
            if parcel.withdrawn:
                continue
            if parcel.subject in self._out:
                self._blocked.setdefault(parcel.subject, deque()).append(parcel)
            else:
                yield parcel
