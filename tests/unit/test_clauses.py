"""CLAUSES.md has every clause, and names the test that shows it or the reason why none does."""

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLES = (ROOT / "CLAUSES.md").read_text("utf-8")
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
# How many clauses a section has, and how many points in brackets a clause.
_SECTIONS = """
1.1:4 1.2:5 1.3:4 1.4:5 2.1:3 2.2:3 2.3:3 2.4:3 3.1:7 3.2:6 3.4:5 5.1:3 5.2:4 5.3:4 5.4:4 11:4 12:4
"""
_POINTS = """
3.3.1:3 3.3.2:3 4.1.1:4 4.1.2:3 4.2.2:2 4.3:4 4.4:3 6.1:4 6.2:5 6.3:3 6.4:3 7.1:4 7.2:4 7.3:4 7.4:4
8.1:5 8.2:5 8.3:5 8.4:5 9.1:3 9.2:4 9.3:3 9.4:4 10.1:4 10.2:4 10.3:4 10.4:4
"""
_BESIDE = ("4.1", "4.2", "4.2.1", "4.4 end", "6.4")  # they ask for something of their own, beside their points
_SHOWN = ("built", "partly", "thin")
_NOT_SHOWN = ("not built", "outside")
_SPECIFICATION = ROOT.parent / "shared" / "spec" / "clauses.md"
_FACTS = ["1", "2", "3", "4", "5", "6", "7", "8", "13", "14", "16", "17"]


def rows(table: str) -> Iterator[list[str]]:
    """The cells of the last table of a text, row by row, without its head."""
    lines = [line for line in table.splitlines() if line.startswith("|") or not line]
    body = "\n".join(lines).strip().rsplit("\n\n", 1)[-1]
    for line in body.splitlines()[2:]:
        yield [cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")]


@lru_cache
def names_in(path: str) -> frozenset[str]:
    """The tests of a file."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def missing_tests(text: str) -> list[str]:
    """The tests that a text names and that do not exist."""
    return [f"{path}::{name}" for path, name in _NAMED.findall(text) if name not in names_in(path)]


def numbered(counts: str, form: str) -> Iterator[str]:
    """The clauses of `counts`, `SECTION:COUNT` with spaces between, each by `form` of its section and number."""
    for section, count in re.findall(r"(\S+):(\d+)", counts):
        yield from (form.format(section, number) for number in range(1, int(count) + 1))


@lru_cache
def clauses() -> tuple[str, ...]:
    """Every clause of the specification, in its order."""
    found = (*numbered(_SECTIONS, "{}.{}"), *numbered(_POINTS, "{}({})"), *_BESIDE)
    return tuple(sorted(found, key=in_order))


def in_order(clause: str) -> list[int]:
    """Where a clause stands in the specification; the end of a section comes after its points."""
    return [int(figure) for figure in re.findall(r"\d+", clause.replace("end", "99"))]


def test_every_clause_of_the_specification_stands_in_the_table_once_in_its_order() -> None:
    table, _ = TABLES.split("## Facts")
    assert [row[0] for row in rows(table)] == list(clauses())


def test_the_clauses_are_those_of_the_specification() -> None:
    if not _SPECIFICATION.exists():
        pytest.skip("the specification is no part of the project, and does not lie beside it")
    rows_of_it = re.findall(r"^\| \**(\d[^*|]*[^*| ])", _SPECIFICATION.read_text("utf-8"), re.MULTILINE)
    assert sorted(rows_of_it, key=in_order) == list(clauses())


def test_a_clause_that_is_answered_names_a_test_and_any_other_says_why_not() -> None:
    table, _ = TABLES.split("## Facts")
    wrong: list[str] = []
    for clause, _asks, state, answer, shown in rows(table):
        if state not in (*_SHOWN, *_NOT_SHOWN):
            wrong.append(f"{clause}: there is no state {state!r}")
        if (state in _SHOWN) != bool(_NAMED.fullmatch(shown)) or (state in _NOT_SHOWN and shown):
            wrong.append(f"{clause}: {state}, and shown by {shown or 'nothing'}")
        if not answer or (state == "partly") != ("; missing: " in answer):
            wrong.append(f"{clause}: {state} is not explained by {answer!r}")
    assert wrong == []


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
