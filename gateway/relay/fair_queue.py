"""The order in which a lane sends: operators take turns, bulk comes last, one envelope per subject at a time.

Pure: no clock, no I/O.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.relay.envelopes import Sealed


@dataclass
class QueuedEnvelope:
    """An envelope in a lane, with the number of its deliveries."""

    sealed: Sealed
    attempts: int = 0
    withdrawn: bool = False
    not_taken: Reason.ValueType = Reason.REASON_UNSPECIFIED
    """Why the destination has not taken it, as far as that is kept."""
    failure: str = ""
    """Why it has no receipt here, by its last attempt."""
    defects: int = 0
    """How many of its last attempts in a row have met a defect, which no waiting ends."""
    defect_time: datetime | None = None
    """Of the first of them."""
    is_set_aside: bool = False
    """Whether it was left to people."""
    envelope_id: str = field(init=False)
    """The envelope's id."""
    subject: str = field(init=False)
    """The envelope's subject: queued envelopes of one subject leave in the order in which they came."""

    def __post_init__(self) -> None:
        """Reads the id and the subject."""
        self.envelope_id = self.sealed.content.id
        self.subject = self.sealed.content.subject


_Lines = OrderedDict[str, deque[QueuedEnvelope]]


class FairQueue:
    """Queued envelopes that wait. Every queued envelope that `take` gave out is given back by `release` or
    `put_back`.
    """

    def __init__(self) -> None:
        self._urgent: _Lines = OrderedDict()
        self._bulk: _Lines = OrderedDict()
        self._waiting: dict[str, QueuedEnvelope] = {}
        self._waiting_of: Counter[str] = Counter()  # by operator
        self._refused = set[str]()  # of those that wait
        self._out: dict[str, str] = {}  # the envelope that is out, by subject
        self._withdrawn: set[str] = set()  # until the caller decides about them
        self._blocked: dict[str, deque[QueuedEnvelope]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def unrefused(self) -> int:
        """The number of queued envelopes that wait, without those that the destination has not taken."""
        return len(self._waiting) - len(self._refused)

    def waiting_of(self, operator: str) -> int:
        """The number of queued envelopes of an operator that wait."""
        return self._waiting_of[operator]

    def put(self, queued: QueuedEnvelope) -> None:
        """Adds a queued envelope behind the others of its operator, unless it waits, is out or was withdrawn
        already.
        """
        envelope_id = queued.envelope_id
        if (waiting := self._waiting.get(envelope_id)) is not None:
            # Another process may have sent it in between, and its destination may have refused it then.
            waiting.attempts = max(waiting.attempts, queued.attempts)
            waiting.not_taken = queued.not_taken or waiting.not_taken
            self._await(waiting)
            return
        if envelope_id in self._withdrawn:
            return
        if self._out.get(queued.subject) == envelope_id:
            return
        self._await(queued)
        self._line(queued).append(queued)

    def take(self, limit: int, bytes_limit: int) -> list[QueuedEnvelope]:
        """Takes at most `limit` queued envelopes, no two of one subject, of at most about `bytes_limit` bytes in
        all.
        """
        taken: list[QueuedEnvelope] = []
        size = 0
        for lines in (self._urgent, self._bulk):
            while lines and len(taken) < limit and size < bytes_limit:
                queued = self._take_turn(lines)
                if queued is not None:
                    taken.append(queued)
                    size += len(queued.sealed.envelope.content)
        return taken

    def release(self, subject: str) -> None:
        """Lets the next queued envelope of a subject leave, once the previous one is done."""
        self._out.pop(subject, None)
        blocked = self._blocked.pop(subject, None)
        if blocked:
            for queued in reversed(blocked):
                self._line(queued).appendleft(queued)

    def put_back(self, queued_envelopes: Iterable[QueuedEnvelope]) -> None:
        """Puts queued envelopes in front again, to be sent once more, ahead of their subjects' later ones."""
        for queued in reversed(list(queued_envelopes)):
            self.release(queued.subject)
            self._await(queued)
            self._line(queued).appendleft(queued)

    def withdraw(self, envelope_id: str) -> QueuedEnvelope | None:
        """Removes a queued envelope that was never sent. None for a sent or missing one."""
        queued = self._waiting.get(envelope_id)
        if queued is None or queued.attempts > 0:
            return None
        queued.withdrawn = True
        self._withdrawn.add(envelope_id)
        self._await_no_more(queued)
        return queued

    def drop(self, subject: str) -> None:
        """Forgets all queued envelopes of a subject, one of which is out."""
        for queued in [each for each in self._waiting.values() if each.subject == subject]:
            queued.withdrawn = True
            self._await_no_more(queued)
        self._blocked.pop(subject, None)
        self._out.pop(subject, None)

    def forget(self, envelope_id: str) -> None:
        """Ends a withdrawal: the envelope may be put again."""
        self._withdrawn.discard(envelope_id)

    def _await(self, queued: QueuedEnvelope) -> None:
        self._waiting_of[queued.sealed.content.operator] += queued.envelope_id not in self._waiting
        self._waiting[queued.envelope_id] = queued
        if queued.not_taken:
            self._refused.add(queued.envelope_id)

    def _await_no_more(self, queued: QueuedEnvelope) -> None:
        del self._waiting[queued.envelope_id]
        self._refused.discard(queued.envelope_id)
        operator = queued.sealed.content.operator
        self._waiting_of[operator] -= 1
        if not self._waiting_of[operator]:
            del self._waiting_of[operator]

    def _line(self, queued: QueuedEnvelope) -> deque[QueuedEnvelope]:
        lines = self._bulk if queued.sealed.content.bulk else self._urgent
        return lines.setdefault(queued.sealed.content.operator, deque())

    def _take_turn(self, lines: _Lines) -> QueuedEnvelope | None:
        """The next queued envelope of the operator whose turn it is; None where none of the operator's may leave."""
        operator, line = lines.popitem(last=False)
        queued = next(self._free(line), None)
        if line:
            lines[operator] = line
        if queued is not None:
            self._out[queued.subject] = queued.envelope_id
            self._await_no_more(queued)
        return queued

    def _free(self, line: deque[QueuedEnvelope]) -> Iterator[QueuedEnvelope]:
        """The queued envelopes of a line that may leave now, without those behind an envelope of their subject."""
        while line:
            queued = line.popleft()
            if queued.withdrawn:
                continue
            if queued.subject in self._out:
                self._blocked.setdefault(queued.subject, deque()).append(queued)
            else:
                yield queued
