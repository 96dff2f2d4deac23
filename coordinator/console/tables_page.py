"""A page of tables, with warnings above them, and commands and files below."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.web.charts import Figure
from gateway.web.console.frames import Link
from gateway.web.console.pages import Shown
from gateway.web.console.parts import Commands, Fact
from gateway.web.console.ticket import facts_table, filled
from gateway.web.tables import Cell, Table


@dataclass(frozen=True)
class TablesPage:
    """The page as `tables.html.j2` shows it."""

    warnings: Sequence[str] = ()
    facts: Sequence[Fact] = ()
    figures: Sequence[Figure] = ()
    """Charts above the tables."""
    tables: Sequence[tuple[str, Table]] = ()
    commands: Commands | None = None
    links_heading: str = ""
    links: Sequence[Link] = ()
    text: str = ""
    """The file that a link has chosen."""

    def shown(self, title: str, tab: str) -> Shown:
        """The page below its title."""
        tables = filled([facts_table(title, self.facts), *(table for _, table in self.tables)])
        return Shown("tables.html.j2", title, self, tab, tables, self.warnings)


def heads(*titles: str) -> Sequence[Cell]:
    """The heading cells of columns."""
    return [Cell(each, "col") for each in titles]
