"""CLAUSES.md: each clause of the service specification, and the tests that carry its marker.

`clauses.yaml` has the clauses with their state in our own words. A test names the clauses and facts that it shows by
`@pytest.mark.clause("3.3.1(1)", "F5.2")`.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

SHOWN = frozenset({"built", "partly", "thin"})
"""States of a clause that a test shows."""
STATES: Mapping[str, str] = {
    "built": "the system does it, and the test shows it",
    "partly": "a part is built and shown; the row names what is missing",
    "thin": "little here answers it; the row says why",
    "not built": "it could belong here, and nothing answers it",
    "outside": "not the business of this system",
}
MARKER = "clause"
_DATA = Path(__file__).with_name("clauses.yaml")
_HEAD = """# The specification, clause by clause

Each clause of the service specification, how far this system answers it, and the tests that show it. The text of the
specification ends within 10.4(2): later clauses are known by number or heading alone, and their rows say so.

`python -m deploy.docs` writes this page from `deploy/docs/clauses.yaml` and the markers `@pytest.mark.clause` of tests.

"""
_FACTS = """
## Facts of the trade

Figures of law and custom that tests hold. `deploy/federation/policies.yaml` has their values with sources.

"""


@dataclass(frozen=True)
class Row:
    """A clause, or a fact of the trade, which has neither state nor answer."""

    id: str
    asks: str
    state: str = ""
    answer: str = ""


def clauses() -> list[Row]:
    """The clauses of the specification, in its order."""
    return [Row(**row) for row in _read()["clauses"]]


def facts() -> list[Row]:
    """The facts of the trade; the id `F5.2` is the second row of fact 5."""
    return [Row(**row) for row in _read()["facts"]]


def markers(root: Path) -> dict[str, list[str]]:
    """The tests below `root`/tests with a marker, as `path::name`, by clause."""
    found: dict[str, list[str]] = {}
    for path in sorted((root / "tests").rglob("test_*.py")):
        for name, shown in _marked(ast.parse(path.read_text("utf-8"))):
            found.setdefault(shown, []).append(f"{path.relative_to(root).as_posix()}::{name}")
    return found


def page(shown: Mapping[str, Sequence[str]]) -> str:
    """The whole page; `shown` has the tests of each clause."""
    states = _table(("state", "meaning"), STATES.items())
    rows = _table(
        ("clause", "asks", "state", "answered by, or why not", "shown by"),
        ((row.id, row.asks, row.state, row.answer, _tests(shown.get(row.id, ()))) for row in clauses()),
    )
    told = _table(
        ("fact", "says", "shown by"),
        ((row.id, row.asks, _tests(shown.get(row.id, ()))) for row in facts()),
    )
    return f"{_HEAD}{states}\n{rows}{_FACTS}{told}"


def problems(shown: Mapping[str, Sequence[str]]) -> list[str]:
    """Clauses whose tests do not fit their state, and markers of no clause."""
    listed = {row.id: row for row in (*clauses(), *facts())}
    unknown = [f"{test}: there is no clause {name}" for name in shown.keys() - listed.keys() for test in shown[name]]
    unfit = [
        f"{row.id}: {row.state or 'a fact'}, and shown by {_tests(shown.get(row.id, ())) or 'nothing'}"
        for row in listed.values()
        if (row.state in SHOWN or not row.state) != (row.id in shown)
    ]
    return sorted(unknown) + unfit


def _read() -> dict[str, list[dict[str, str]]]:
    read: dict[str, list[dict[str, str]]] = yaml.safe_load(_DATA.read_text("utf-8"))
    return read


def _marked(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Each test of a module with each clause in its markers."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == f"pytest.mark.{MARKER}":
                    yield from ((node.name, ast.literal_eval(each)) for each in decorator.args)


def _tests(names: Sequence[str]) -> str:
    return "<br>".join(f"`{name}`" for name in names)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (f"| {' | '.join(line)} |\n".replace("|  |", "| |") for line in (head, *rows))
    return f"{next(lines)}{'|---' * len(head)}|\n{''.join(lines)}"
