"""CLAUSES.md has every clause, and names the tests that show it or the reason why none does."""

import re
from collections.abc import Iterator
from pathlib import Path

from deploy.docs.clauses import SHOWN, STATES, clauses, facts, markers, page, problems

# How many clauses a section has, and how many points in brackets a clause.
_SECTIONS = """
1.1:4 1.2:5 1.3:4 1.4:5 2.1:3 2.2:3 2.3:3 2.4:3 3.1:7 3.2:6 3.4:5 5.1:3 5.2:4 5.3:4 5.4:4 11:4 12:4
"""
_POINTS = """
3.3.1:3 3.3.2:3 4.1.1:4 4.1.2:3 4.2.2:2 4.3:4 4.4:3 6.1:4 6.2:5 6.3:3 6.4:3 7.1:4 7.2:4 7.3:4 7.4:4
8.1:5 8.2:5 8.3:5 8.4:5 9.1:3 9.2:4 9.3:3 9.4:4 10.1:4 10.2:4 10.3:4 10.4:4
"""
_BESIDE = ("4.1", "4.2", "4.2.1", "4.4 end", "6.4")  # they ask for something of their own, beside their points
_FACTS = ["1", "2", "3", "4", "5", "6", "7", "8", "13", "14", "16", "17"]


def numbered(counts: str, form: str) -> Iterator[str]:
    """The clauses of `counts`, `SECTION:COUNT` with spaces between, each by `form` of its section and number."""
    for section, count in re.findall(r"(\S+):(\d+)", counts):
        yield from (form.format(section, number) for number in range(1, int(count) + 1))


def in_order(clause: str) -> list[int]:
    """The place of a clause in the specification; the end of a section comes after its points."""
    return [int(figure) for figure in re.findall(r"\d+", clause.replace("end", "99"))]


def module(where: Path, source: str) -> Path:
    """A tree with one module of tests."""
    (where / "tests").mkdir()
    (where / "tests" / "test_made_up.py").write_text(source, "utf-8")
    return where


def test_every_clause_of_the_specification_is_listed_once_in_its_order() -> None:
    expected = (*numbered(_SECTIONS, "{}.{}"), *numbered(_POINTS, "{}({})"), *_BESIDE)
    assert [row.id for row in clauses()] == sorted(expected, key=in_order)


def test_every_fact_of_the_trade_is_listed() -> None:
    assert list(dict.fromkeys(row.id[1:].partition(".")[0] for row in facts())) == _FACTS


def test_a_state_is_explained_and_a_part_that_is_missing_is_named() -> None:
    unknown = [row.id for row in clauses() if row.state not in STATES]
    unexplained = [
        row.id for row in clauses() if not row.answer or (row.state == "partly") != ("; missing: " in row.answer)
    ]
    assert unknown + unexplained == []
    assert set(STATES) >= SHOWN


def test_a_marker_of_no_clause_and_a_clause_without_its_test_are_found(tmp_path: Path) -> None:
    shown = markers(
        module(
            tmp_path,
            '@pytest.mark.clause("1.1.1", "99.9")\ndef test_it() -> None: ...\n\ndef test_other() -> None: ...',
        )
    )
    assert shown == {"1.1.1": ["tests/test_made_up.py::test_it"], "99.9": ["tests/test_made_up.py::test_it"]}
    found = problems(shown)
    assert "tests/test_made_up.py::test_it: there is no clause 99.9" in found
    assert "1.1.2: built, and shown by nothing" in found
    assert not [each for each in found if each.startswith("1.1.1:")]
    assert "| everybody is served alike | partly |" in page(shown)
    assert "| `tests/test_made_up.py::test_it` |" in page(shown)
