"""Texts of others are visible where they are shown, and have no effect on the terminal."""

import ast
import csv
import io
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from opentelemetry.trace import NoOpTracer, SpanKind
from rich.text import Text
from rich.tree import Tree

from gateway.cli import terminal
from gateway.process.logs import OneLine, OneObject
from gateway.process.tracing import Tracing
from gateway.values.plain_text import spreadsheet_row, typed_cell
from gateway.web.html_pages import HtmlPages
from gateway.web.tables import Cell, Table
from gateway.wording.languages import SpeakingGroup, speaking

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ROOT / "region_node" / "texts"
NAME = "张\x1b[2J\x1b]52;c;cm0=\x9b1m\u202e三"
SEEN = r"张\u001b[2J\u001b]52;c;cm0=\u009b1m\u202e三"


def _refuse() -> None:
    raise click.UsageError(NAME)


SHOWN: dict[str, Callable[[], object]] = {
    "a line": lambda: click.echo(NAME),
    "a line of errors": lambda: click.echo(NAME, err=True),
    "a refusal": _refuse,
    "JSON": lambda: click.echo(json.dumps({"name": NAME}, ensure_ascii=False)),
    "a table": lambda: terminal.print_table([NAME, "b"], [[NAME, Text(NAME, "red")]], title=NAME),
    "rows of a narrow terminal": lambda: terminal.print_table(["a"] * 40, [[NAME * 9] * 40]),
    "a tree": lambda: terminal.output().print(Tree(NAME)),
    "what is told beside a bar": lambda: terminal.error_output().print(NAME, markup=False),
}


@pytest.mark.parametrize("shown", SHOWN)
def test_nothing_that_a_command_prints_acts_on_the_terminal(shown: str) -> None:
    group = SpeakingGroup("program", commands={"show": click.Command("show", callback=SHOWN[shown])})
    speaking(group, TEXTS, {})
    printed = CliRunner().invoke(group, ["show"]).output
    assert SEEN in printed
    assert {each for each in printed if not each.isprintable()} == {"\n"}


def test_a_line_of_the_log_shows_what_acts_and_stays_one_line() -> None:
    record = logging.LogRecord("node", logging.ERROR, "", 0, "%s\nand more", (NAME,), None)
    line = OneLine("%(message)s").format(record)
    assert line.endswith(f"ERROR node: {SEEN} | and more")


def test_a_line_of_json_is_ascii_and_names_the_trace_of_its_call() -> None:
    record = logging.LogRecord("node", logging.ERROR, "", 0, "%s\nand more", (NAME,), None)
    traceparent = f"00-{'a' * 32}-{'b' * 16}-01"
    tracing = Tracing(NoOpTracer(), records=False)
    with tracing.span("call", SpanKind.SERVER, parent=traceparent):
        line = OneObject().format(record)
    assert line.isascii()
    assert line.isprintable()
    told = json.loads(line)
    assert (told["message"], told["severity"], told["scope"]) == (f"{NAME}\nand more", "ERROR", "node")
    assert (told["trace_id"], told["span_id"]) == ("a" * 32, "b" * 16)
    assert datetime.fromisoformat(told["timestamp"]).tzinfo is not None
    assert "trace_id" not in json.loads(OneObject().format(record))


def test_a_page_shows_what_acts(tmp_path: Path) -> None:
    (tmp_path / "page.html.j2").write_text(
        """{% extends "frame.html.j2" %}{% import "parts.html.j2" as parts %}
        {% block content %}{{ page.caption }}{{ parts.table(page) }}{% endblock %}"""
    )
    table = Table(NAME, [Cell(NAME, "col", hint=NAME)], [])
    page = HtmlPages(tmp_path).written("page.html.j2", NAME, "en", replace(table, caption=NAME))
    assert page.count(SEEN) == 7
    assert {each for each in page if not each.isprintable()} == {"\n"}


def test_a_spreadsheet_computes_nothing_of_a_row_and_reading_it_again_gives_what_was_written() -> None:
    cells = ["=HYPERLINK(1)", "+86 138", "@a", " -", "+8613800000000", "-12.50", "", "张三", "'quoted'", "a\nb"]
    file = io.StringIO()
    csv.writer(file).writerow(spreadsheet_row([*cells, 7, -0.5]))
    (row,) = csv.reader(io.StringIO(file.getvalue()))
    assert [each[0] for each in row[:4]] == ["'"] * 4
    assert row[4:] == [*cells[4:], "7", "-0.5"]
    assert [typed_cell(each) for each in row] == [*cells, "7", "-0.5"]


def calls() -> Iterator[tuple[Path, ast.Call, str]]:
    """Every call in the programs, with what is called as it is written."""
    for package in ("gateway", "region_node", "coordinator"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if "api" not in path.parts:
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                    if isinstance(node, ast.Call):
                        yield path.relative_to(ROOT), node, ast.unparse(node.func)


def test_consoles_and_rows_of_csv_are_made_in_one_way() -> None:
    others = [
        f"{path}: {ast.unparse(call)}"
        for path, call, name in calls()
        if (name == "Console" and path != Path("gateway/cli/terminal.py"))
        or (name.endswith((".writerow", ".writerows")) and "spreadsheet_row" not in ast.unparse(call))
        or (name.endswith("DictWriter"))
    ]
    assert others == []
