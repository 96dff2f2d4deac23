"""SECURITY.md names a test for each control, and each of them exists."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_args, get_type_hints

from coordinator.settings import CoordinatorSettings
from gateway.security.tls_version import CIPHERS_OF_TLS_1_2
from region_node.node.operator_scopes import PROVEN
from region_node.node.settings import RegionSettings
from tests.federation.stolen_administrator import STOLEN
from tests.federation.stolen_keys import DONE
from tests.hostile.costs import Cost, shown, told, with_costs
from tests.shipped import shipped_configuration

ROOT = Path(__file__).parents[2]
_TESTS = re.compile(r"\[[^\]]+\]\((tests/[\w/]+\.py)\): ((?:`\w+`(?:, )?)+)")
_HEADING = "## Threats, controls and their tests"


def controls(page: str) -> list[list[str]]:
    """The rows of the table of controls: threat, control, default, tests."""
    section = page.partition(_HEADING)[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return rows[1:]


def lost_tests(page: str, root: Path) -> Iterator[str]:
    """What is named in the table and is no test, and the controls that name none."""
    for threat, _, _, named in controls(page):
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
    rows = "| a | b | on | [x](tests/test_made_up.py): `test_one`, `test_two` |\n| c | d | off | nothing |\n"
    page = f"{_HEADING}\n\n| threat | control | default | test |\n|---|---|---|---|\n{rows}"
    assert list(lost_tests(page, tmp_path)) == ["tests/test_made_up.py: test_two", "c: no test"]


def defaults(page: str) -> list[str]:
    """What the table says of each control where nobody sets anything."""
    return [default for _, _, default, _ in controls(page)]


def default_of(setting: str) -> object:
    """The default of a setting of nodes, or else of coordinators, by its path; raises StopIteration for none."""
    return next(found for kind in (RegionSettings, CoordinatorSettings) for found in within(kind, setting))


def within(kind: type, setting: str) -> Iterator[object]:
    """The default of a setting of a dataclass, if that has it."""
    first, _, rest = setting.partition(".")
    for each in fields(kind):
        if each.name != first:
            continue
        if not rest:
            yield each.default
            continue
        for table in get_args(get_type_hints(kind)[first]):
            if isinstance(table, type) and is_dataclass(table):
                yield from within(table, rest)


def test_each_control_is_on_or_off_where_nobody_sets_anything() -> None:
    found = defaults((ROOT / "SECURITY.md").read_text("utf-8"))
    assert [each for each in found if re.match(r"(on|off)\b", each) is None] == []
    assert [each for each in found if each.startswith("off") and "`[" not in each and "`web." not in each] == [
        "off: keys are files of their owner alone"
    ]


def test_the_settings_of_the_controls_have_the_defaults_that_the_page_says() -> None:
    others = {CIPHERS_OF_TLS_1_2[0], f'staff = "{PROVEN}"'}
    named = {
        name for each in defaults((ROOT / "SECURITY.md").read_text("utf-8")) for name in re.findall("`(.+?)`", each)
    }
    assert others <= named
    wrong = []
    for each in named - others:
        setting, _, value = each.strip("[]").partition(" = ")
        if default_of(setting) not in ({"true": [True], "false": [False]}.get(value, [None, False])):
            wrong.append(each)
    assert wrong == []


def test_the_figures_by_policy_are_those_of_the_shipped_policies() -> None:
    shipped = {each.figure.value for each in shipped_configuration().policies}
    by_policy = [each.partition("by polic")[2] for each in defaults((ROOT / "SECURITY.md").read_text("utf-8"))]
    figures = [int(figure.replace(",", "")) for each in by_policy for figure in re.findall(r"\d[\d,]*\b", each)]
    assert figures
    assert [each for each in figures if each not in shipped] == []


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
