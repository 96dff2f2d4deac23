"""The page of a ticket, a complaint, a fault or a support request: state, texts, facts, course, and forms."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.web.console.entries import Entry, Group
from gateway.web.console.pages import Shown
from gateway.web.console.parts import Event, Fact
from gateway.web.tables import Cell, Table
from gateway.wording.times import Happening, told_time


@dataclass(frozen=True)
class TicketPage:
    """The page as `ticket.html.j2` shows it, in its order."""

    state: Cell
    due: Cell
    about: str
    texts: Sequence[Fact]
    facts_heading: str
    facts: Sequence[Fact]
    tables: Sequence[Table]
    course_heading: str
    course: Sequence[Event]
    entries: Sequence[Entry] = ()
    groups: Sequence[Group] = ()
    warnings: Sequence[str] = ()
    """Sentences about what is missing on the page."""

    def shown(self, title: str, tab: str) -> Shown:
        """The page below its title."""
        return Shown("ticket.html.j2", title, self, tab, self.tables, self.warnings)


def known(facts: Iterable[Fact]) -> Sequence[Fact]:
    """The facts that are known."""
    return [each for each in facts if each.text]


def filled(tables: Iterable[Table]) -> Sequence[Table]:
    """The tables that have rows."""
    return [each for each in tables if each.rows]


def course(happened: Iterable[Happening]) -> Sequence[Event]:
    """All that has happened, oldest first."""
    return [
        Event(told_time(time), "", who, happening)
        for time, who, happening in sorted(happened, key=lambda each: each[0])
    ]
