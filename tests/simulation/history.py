"""The events of one run, in order, and the forbidden ones among them."""

import hashlib
import logging
from collections import Counter
from dataclasses import dataclass, field

from gateway.errors import Refused
from tests.simulation.virtual_time import VirtualLoop, running_process
from tests.simulation.world import REGIONS

POISON = "poison/"
"""The ids of timers begin with it that fail by a defect which a run has put there."""


@dataclass(frozen=True)
class Event:
    """An event. `about` is an order or envelope id, or empty."""

    seconds: float
    who: str
    what: str
    about: str

    def __str__(self) -> str:
        return f"{self.seconds:10.4f}  {self.who:<22} {self.about} {self.what}".rstrip()


@dataclass(frozen=True)
class Violation:
    """A guarantee that did not hold, and of which order or envelope."""

    guarantee: str
    about: str
    text: str

    def __str__(self) -> str:
        return f"{self.guarantee}: {self.about}: {self.text}"


@dataclass
class History:
    """The record of one run."""

    loop: VirtualLoop
    events: list[Event] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    behind: str = ""
    """The region that works by an older database and cannot know it; it and the others log what contradicts them."""

    def note(self, who: str, what: str, about: str = "") -> None:
        """Something happened."""
        self.events.append(Event(self.loop.time(), who, what, about))

    def count(self, what: str) -> None:
        """Something happened that is only counted."""
        self.counts[what] += 1

    def broken(self, guarantee: str, about: str, text: str) -> None:
        """A guarantee does not hold."""
        violation = Violation(guarantee, about, text)
        if violation not in self.violations:
            self.violations.append(violation)

    def digest(self) -> str:
        """SHA-256 over all events: equal for equal runs."""
        return hashlib.sha256("\n".join(map(str, self.events)).encode()).hexdigest()


def order_of(about: str) -> str:
    """The order that an event or a finding is about: envelope ids begin with its id."""
    return about.partition("#")[0].partition("@")[0]


class DefectLog(logging.Handler):
    """An error in the log of the shipped code is a defect, unless it is about a store without commits, or poison.

    A region that is behind contradicts the others. What it and they log of that is what they have to tell people.
    """

    def __init__(self, history: History) -> None:
        super().__init__(logging.ERROR)
        self._history = history

    def emit(self, record: logging.LogRecord) -> None:
        """See logging."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, Refused) or POISON in record.getMessage() or self._is_about_older_rows(record):
            self._history.note("log", record.getMessage())
            return
        told = f"{record.getMessage()} ({error!r})" if error is not None else record.getMessage()
        self._history.broken("no defect", "-", told)

    def _is_about_older_rows(self, record: logging.LogRecord) -> bool:
        behind, named, process = self._history.behind, record.args, running_process()
        if not behind or record.exc_info or not isinstance(named, tuple):
            return False
        is_said_by_it = process is not None and process.name.partition("/")[0] == behind
        return behind in named or (is_said_by_it and any(each in REGIONS for each in named))
