"""CLAUSES.md names for every clause that is built the test that shows it, and every named test exists."""

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLES = (ROOT / "CLAUSES.md").read_text("utf-8")
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_CHAPTERS = {
    "1.2": ["1.2.1", "1.2.2", "1.2.3", "1.2.4", "1.2.5"],
    "1.3": ["1.3.1", "1.3.2", "1.3.3", "1.3.4"],
    "2.1": ["2.1.1", "2.1.2", "2.1.3"],
    "2.2": ["2.2.1", "2.2.2", "2.2.3"],
    "2.3": ["2.3.1", "2.3.2", "2.3.3"],
    "3.1": [f"3.1.{number}" for number in range(1, 8)],
    "3.2": [f"3.2.{number}" for number in range(1, 7)],
    "3.3": [f"3.3.{part}({number})" for part in (1, 2) for number in (1, 2, 3)],
    "3.4": [f"3.4.{number}" for number in range(1, 6)],
    "4.1": ["4.1", *(f"4.1.1({number})" for number in range(1, 5)), *(f"4.1.2({number})" for number in range(1, 4))],
    "4.2": ["4.2", "4.2.1", "4.2.2(1)", "4.2.2(2)"],
    "4.3": [f"4.3({number})" for number in range(1, 5)],
    "4.4": ["4.4(1)", "4.4(2)", "4.4(3)", "4.4, end"],
    "5": ["5.1.1", "5.1.2", "5.1.3", "5.2.2", "5.2.3", "5.3.2", "5.3.3", "5.4.1", "5.4.2", "5.4.3", "5.4.4"],
    "6.1": ["6.1(1)", "6.1(2)", "6.1(3)", "6.1(4)"],
    "6.2": [f"6.2({number})" for number in range(1, 6)],
    "6.3": ["6.3(1)", "6.3(2)"],
    "6.4": ["6.4", "6.4(2)"],
    **{f"7.{part}": [f"7.{part}({number})" for number in range(1, 5)] for part in range(1, 5)},
    "9.2": ["9.2(4)"],
    "10.1": [f"10.1({number})" for number in range(1, 5)],
    "10.2": ["10.2(2)", "10.2(4)"],
    "10.4": ["10.4(1)"],
}
_FACTS = ["1", "2", "3", "4", "5", "6", "7", "8", "13", "14", "16", "17"]


def rows(table: str) -> Iterator[list[str]]:
    """The cells of a table, row by row, without its head."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


@lru_cache
def names_in(path: str) -> frozenset[str]:
    """The tests of a file."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def missing_tests(text: str) -> list[str]:
    """The tests that a text names and that do not exist."""
    return [f"{path}::{name}" for path, name in _NAMED.findall(text) if name not in names_in(path)]


def test_every_clause_stands_in_the_table_once_with_a_test() -> None:
    table, _ = TABLES.split("## Facts")
    listed = list(rows(table))
    assert [row[0] for row in listed] == [clause for clauses in _CHAPTERS.values() for clause in clauses]
    assert [row[0] for row in listed if not _NAMED.fullmatch(row[-1])] == []


def test_every_fact_stands_in_the_table_with_a_test() -> None:
    _, table = TABLES.split("## Facts")
    listed = list(rows(table))
    assert list(dict.fromkeys(row[0] for row in listed)) == _FACTS
    assert [row[0] for row in listed if not _NAMED.fullmatch(row[-1])] == []


def test_every_test_that_is_named_exists() -> None:
    assert missing_tests(TABLES) == []


def test_a_name_that_is_no_test_is_found() -> None:
    assert missing_tests("`tests/unit/test_clauses.py::test_of_nothing`") == [
        "tests/unit/test_clauses.py::test_of_nothing"
    ]
