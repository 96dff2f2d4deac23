"""SECURITY.md names a test for each control, and each of them exists."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.federation.stolen_administrator import STOLEN
from tests.federation.stolen_keys import DONE
from tests.hostile.costs import Cost, shown, told, with_costs

ROOT = Path(__file__).parents[2]
_TESTS = re.compile(r"\[[^\]]+\]\((tests/[\w/]+\.py)\): ((?:`\w+`(?:, )?)+)")
_HEADING = "## Threats, controls and their tests"


def controls(page: str) -> list[list[str]]:
    """The rows of the table of controls: threat, control, tests."""
    section = page.partition(_HEADING)[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return rows[1:]


def lost_tests(page: str, root: Path) -> Iterator[str]:
    """What is named in the table and is no test, and the controls that name none."""
    for threat, _, named in controls(page):
        found = _TESTS.findall(named)
        if not found:
            yield f"{threat}: no test"
        for file, names in found:
            known = functions_of(root / file)
            yield from (f"{file}: {name}" for name in re.findall(r"`(\w+)`", names) if name not in known)


def functions_of(file: Path) -> set[str]:
    """The names of the test functions of a file; none of a file that is not there."""
    if not file.exists():
        return set()
    tree = ast.parse(file.read_text("utf-8"))
    functions = (each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    return {each.name for each in functions if each.name.startswith("test_")}


def test_every_control_names_tests_that_exist() -> None:
    page = (ROOT / "SECURITY.md").read_text("utf-8")
    assert len(controls(page)) > 1
    assert list(lost_tests(page, ROOT)) == []


def test_a_control_without_its_test_is_found(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_made_up.py").write_text("def test_one() -> None: ...\n", "utf-8")
    rows = "| a | b | [x](tests/test_made_up.py): `test_one`, `test_two` |\n| c | d | nothing |\n"
    page = f"{_HEADING}\n\n| threat | control | test |\n|---|---|---|\n{rows}"
    assert list(lost_tests(page, tmp_path)) == ["tests/test_made_up.py: test_two", "c: no test"]


def stolen(page: str) -> dict[str, list[list[str]]]:
    """The tables of what a thief tries, by their headings: act, before and after the revocation."""
    section = page.partition("## What a stolen key can do\n")[2].partition("\n## ")[0]
    found = {}
    for part in section.split("\n### ")[1:]:
        rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| ")]
        found[part.partition("\n")[0]] = rows[1:]
    return found


def test_the_page_says_of_stolen_keys_what_the_test_that_tries_finds() -> None:
    def shown(told: str) -> str:
        return told if told == DONE else f"`{told}`"

    tried = {
        heading: [[act.what, shown(act.before), shown(act.after)] for act in acts] for heading, acts in STOLEN.items()
    }
    assert stolen((ROOT / "SECURITY.md").read_text("utf-8")) == tried


def test_the_table_of_costs_has_each_attack_and_no_test_that_does_not_exist() -> None:
    costs = set(shown((ROOT / "SECURITY.md").read_text("utf-8")))
    files = sorted({*(ROOT / "tests" / "hostile").glob("test_*.py"), *(ROOT / file for file, _ in costs)})
    tests = {(str(file.relative_to(ROOT)), name) for file in files for name in functions_of(file)}
    attacks = {each for each in tests if each[0].startswith("tests/hostile/")}
    assert (attacks - costs, costs - tests) == (set(), set())


def test_costs_are_read_from_what_tests_print_and_replace_their_own_rows_alone() -> None:
    first, second = ("tests/hostile/test_a.py", "test_one"), ("tests/hostile/test_b.py", "test_two")
    empty = "above\n<!-- costs -->\n<!-- end -->\nbelow\n"
    page = with_costs(with_costs(empty, {first: Cost(9.0, 1.5), second: Cost(1.2, 1.0)}), {first: Cost(3.0, 1.1)})
    assert shown(page) == {first: Cost(3.0, 1.1), second: Cost(1.2, 1.0)}
    assert (page[:6], page[-6:]) == ("above\n", "below\n")
    printed = told(f"flood: fine\n{Cost(2.5, 1.02)}\n{Cost(2.0, 1.3)}\n")
    assert printed == [Cost(2.5, 1.02), Cost(2.0, 1.3)]
    assert printed[0].worst(printed[1]) == Cost(2.5, 1.3)
