"""The tables of a page as files: CSV for spreadsheets, JSON for programs."""

import csv
import io
import json
from collections.abc import Iterator, Sequence

from aiohttp import web

from gateway.errors import invalid
from gateway.values.plain_text import spreadsheet_row, visible
from gateway.web.console.pages import Shown
from gateway.web.tables import Cell, Table

FORMAT = "format"
"""The field of every page that asks for its tables as a file."""
CSV, JSON = "csv", "json"
FORMATS = (CSV, JSON)
_MEDIA_TYPES = {CSV: "text/csv", JSON: "application/json"}
_MARK = "\ufeff"  # by which spreadsheets know UTF-8


def exported(shown: Shown, form: str) -> web.Response:
    """The tables of a page as a file in one of FORMATS. Raises Refused for a page without tables."""
    if not shown.tables:
        raise invalid(FORMAT, "this page has no table", "本页面没有表格")
    content = _csv(shown.tables, shown.notes) if form == CSV else _json(shown.tables, shown.notes)
    name = f"{shown.tab.strip('/').replace('/', '-') or 'page'}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return web.Response(text=content, content_type=_MEDIA_TYPES[form], charset="utf-8", headers=headers)


def _csv(tables: Sequence[Table], notes: Sequence[str]) -> str:
    """The tables below each other, with their names where there are several, then a row for each note."""
    told = io.StringIO()
    told.write(_MARK)
    writer = csv.writer(told)
    for number, table in enumerate(tables):
        told.write("\r\n" if number else "")
        if len(tables) > 1:
            writer.writerow(spreadsheet_row([table.label]))
        writer.writerows(spreadsheet_row(map(_told, cells)) for cells in (table.head, *table.rows))
    told.write("\r\n" if notes else "")
    writer.writerows(spreadsheet_row([each]) for each in notes)
    return told.getvalue()


def _told(cell: Cell) -> str:
    return f"{cell.text}; {cell.note}" if cell.text and cell.note else cell.text or cell.note


def _json(tables: Sequence[Table], notes: Sequence[str]) -> str:
    told = {"tables": list(map(_table, tables)), "notes": list(map(visible, notes))}
    return json.dumps(told, ensure_ascii=False, indent=2) + "\n"


def _table(table: Table) -> dict[str, object]:
    columns = [visible(each.text) for each in table.head]
    return {
        "label": visible(table.label),
        "columns": columns,
        "rows": [dict(_row(columns, each)) for each in table.rows],
    }


def _row(columns: Sequence[str], cells: Sequence[Cell]) -> Iterator[tuple[str, object]]:
    """The cells by the titles of their columns; a cell with a note has it beside its text."""
    for column, cell in zip(columns, cells, strict=True):
        text, note = visible(cell.text), visible(cell.note)
        yield column, {"text": text, "note": note} if note else text
