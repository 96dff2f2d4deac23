"""The page of a ticket, a complaint, a fault or a support request: state, texts, facts, course, and forms."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gateway.web.console.entries import Entry, Group
from gateway.web.console.pages import Shown
from gateway.web.console.parts import Event, Fact
from gateway.web.tables import Cell, Table
from gateway.wording.languages import translated
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
        """The page below its title. Its file has the facts and the course, too."""
        facts = known([Fact(translated("About"), self.about), *self.texts, *self.facts])
        about = state_and_facts(self.facts_heading, self.state, self.due, facts)
        tables = [about, *self.tables, course_table(self.course_heading, self.course)]
        return Shown("ticket.html.j2", title, self, tab, tables, self.warnings)


def known(facts: Iterable[Fact]) -> Sequence[Fact]:
    """The facts that are known."""
    return [each for each in facts if each.text]


def facts_table(label: str, facts: Iterable[Fact]) -> Table:
    """Facts as a table, a row for each."""
    return Table(
        label=label,
        head=[Cell(translated("Name"), "col"), Cell(translated("Value"), "col")],
        rows=[[Cell(each.name, "row"), Cell(each.text)] for each in facts],
    )


def lines_table(label: str, lines: Iterable[str]) -> Table:
    """Lines of text as a table with one column."""
    return Table(label=label, head=[Cell(label, "col")], rows=[[Cell(each, "row")] for each in lines])


def state_and_facts(label: str, state: Cell, due: Cell, facts: Iterable[Fact]) -> Table:
    """The state with what stands beside it on a page, then the facts, as the first table of a file."""
    table = facts_table(label, facts)
    beside = " · ".join(each for each in (state.note, due.text, due.note) if each)
    return replace(table, rows=[[Cell(translated("State"), "row"), Cell(state.text, note=beside)], *table.rows])


def course_table(label: str, events: Iterable[Event]) -> Table:
    """All that has happened as a table, for a file."""
    return Table(
        label=label,
        head=[Cell(each, "col") for each in (translated("When"), translated("Event"), translated("Author"))],
        rows=[
            [
                Cell(each.time, "row"),
                Cell(each.what or each.text, note=each.text if each.what else ""),
                Cell(each.who),
            ]
            for each in events
        ],
    )


def filled(tables: Iterable[Table]) -> Sequence[Table]:
    """The tables that have rows."""
    return [each for each in tables if each.rows]


def course(happened: Iterable[Happening]) -> Sequence[Event]:
    """All that has happened, oldest first."""
    return [
        Event(told_time(time), "", who, happening)
        for time, who, happening in sorted(happened, key=lambda each: each[0])
    ]
