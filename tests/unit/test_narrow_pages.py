"""Wide tables of the consoles in a narrow window: their rows are cards, but where readers compare the columns."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest

from gateway.web.html_pages import HtmlPages
from gateway.web.tables import Cell, Table
from tests.unit import console_pages, test_coordinator_console

BESIDE = 5
"""The columns that a tablet shows beside each other."""
COMPARED = {
    "complaint report",
    "link",
    "network",
    "quality",
    "quality of a figure",
    "reconciliation",
    "risks",
    "settlement",
}
"""The pages with a table whose columns readers compare."""
ROLES = {"table": "table", "thead": "rowgroup", "tbody": "rowgroup", "tr": "row", "td": "cell"}
HEADINGS = {"row": "rowheader", "col": "columnheader"}


def tables(page: str) -> Iterator[Element]:
    """The tables of a page, each in its box."""
    return map(fromstring, re.findall(r'<div class="scroll.*?</table>\s*</div>', page, re.DOTALL))


@pytest.fixture(scope="module")
def every_table() -> Sequence[tuple[str, Element]]:
    """Each table of the pages of both consoles, with the name of its page."""
    pages = (*console_pages.full_pages(), *test_coordinator_console.full_pages())
    return [(name, each) for name, page in pages for each in tables(page)]


def columns(table: Element) -> list[str]:
    return ["".join(each.itertext()) for each in table.findall("table/thead/tr/th")]


def styles(table: Element) -> list[str]:
    return table.get("class", "").split()


def lost_titles(table: Element) -> Iterator[str]:
    """The titles of columns that the cells of cards lack. A heading that leads to a page is that of the card itself."""
    for row in table.findall("table/tbody/tr"):
        for title, cell in zip(columns(table), row, strict=True):
            is_of_the_card = cell.tag == "th" and cell.find("a") is not None
            if cell.get("data-title") != (None if is_of_the_card else title):
                yield title


def lost_roles(table: Element) -> Iterator[str]:
    """The elements of a table that browsers take for no part of one, once its rows are cards."""
    for each in table.iter():
        wanted = HEADINGS[each.attrib["scope"]] if each.tag == "th" else ROLES.get(each.tag)
        if wanted is not None and each.get("role") != wanted:
            yield each.tag


def test_the_rows_of_each_wide_table_are_cards_unless_readers_compare_its_columns(
    every_table: Sequence[tuple[str, Element]],
) -> None:
    wide = [(name, each) for name, each in every_table if len(columns(each)) > BESIDE]
    cards = [(name, each) for name, each in wide if "compared" not in styles(each)]
    assert len(cards) > len(COMPARED)
    assert {name for name, each in cards if "cards" not in styles(each)} == set()


def test_readers_compare_the_columns_of_tables_on_few_pages(
    every_table: Sequence[tuple[str, Element]],
) -> None:
    assert {name for name, each in every_table if "compared" in styles(each)} == COMPARED


def test_the_cells_of_a_card_have_the_titles_of_their_columns_and_are_parts_of_a_table(
    every_table: Sequence[tuple[str, Element]],
) -> None:
    found = [(name, each) for name, each in every_table if "cards" in styles(each)]
    lost = {name: [*lost_titles(each), *lost_roles(each)] for name, each in found}
    assert {name: each for name, each in lost.items() if each} == {}


def test_a_title_of_a_column_acts_in_no_cell_of_a_card(tmp_path: Path) -> None:
    title, count = 'a"><b>&amp;', BESIDE + 1
    (tmp_path / "page.html.j2").write_text('{% import "parts.html.j2" as parts %}{{ parts.table(page) }}', "utf-8")
    shown = Table("Orders", [Cell(title, "col")] * count, [[Cell("1", "row"), *[Cell("")] * (count - 1)]])
    [table] = tables(HtmlPages(tmp_path).written("page.html.j2", "", "en", shown))
    assert [each.get("data-title") for row in table.findall("table/tbody/tr") for each in row] == [title] * count
