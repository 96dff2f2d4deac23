"""Sections of a page that are read one by one: facts and a table, or the reason of a refusal."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from gateway.errors import Refused
from gateway.web.charts import Figure
from gateway.web.console.frames import Link, Refusal, refusal_of
from gateway.web.console.pages import Shown, Visit
from gateway.web.console.parts import Fact
from gateway.web.console.ticket import facts_table
from gateway.web.maps import Drawing
from gateway.web.tables import Table
from gateway.wording.languages import headed, translated

A = TypeVar("A")


@dataclass(frozen=True)
class Content:
    """The facts, the chart, the map and the table of a section."""

    facts: Sequence[Fact] = ()
    figure: Figure | None = None
    map: Drawing | None = None
    legend: str = ""
    """The meaning of the colours of the map."""
    table: Table | None = None
    onward: Link | None = None
    """The list that has all, or the next page, beside a table that has rows."""


def listed(visit: Visit, path: str, number: str, table: Table) -> Content:
    """The first rows of a list about a number, with a link to the page at a path, which has all."""
    return Content(table=table, onward=Link(translated("All of them"), visit.address(path, number=number)))


@dataclass(frozen=True)
class Section:
    """A part of a page as `sections.html.j2` shows it."""

    heading: str
    content: Content = Content()
    empty: str = ""
    refusal: Refusal | None = None


@dataclass(frozen=True)
class SectionsPage:
    """A page of sections alone, as `sections_page.html.j2` shows it."""

    sections: Sequence[Section]
    live: Sequence[Section] = ()
    """The sections before these that follow what they show."""
    events: str = ""
    """The address of the stream of these."""

    @property
    def cut(self) -> str:
        """The sentence for a page that no longer follows."""
        return translated(
            "The page is cut off from the node, and shows the last state that it has. It comes back by itself."
        )

    def shown(self, title: str, tab: str) -> Shown:
        """The page below its title."""
        whole = [*self.live, *self.sections]
        return Shown("sections_page.html.j2", title, self, tab, tables_of(whole), notes_of(whole))


def tables_of(sections: Iterable[Section]) -> Sequence[Table]:
    """The facts and the tables of sections; files of the page have a table also without a row."""
    return [table for each in sections for table in _tables(each.heading, each.content)]


def _tables(heading: str, content: Content) -> Iterator[Table]:
    if content.facts:
        yield facts_table(heading, content.facts)
    if content.table is not None:
        yield content.table


def notes_of(sections: Iterable[Section]) -> Sequence[str]:
    """The sections that are missing, each with the reason."""
    return [headed(each.heading, each.refusal.text) for each in sections if each.refusal is not None]


def section(heading: str, answer: A | Refused, content: Callable[[A], Content]) -> Section:
    """A section made of an answer, or of its refusal."""
    if isinstance(answer, Refused):
        return Section(heading, refusal=refusal_of(answer))
    shown = content(answer)
    has_any = shown.facts or shown.figure or shown.map or (shown.table is not None and shown.table.rows)
    return Section(heading, shown, "" if has_any else translated("Nothing here."))
