"""The imports of files into the region, each with its progress."""

from collections.abc import Sequence

from gateway.api.region.v1.import_service_pb2 import Import, ListImportsRequest, ListImportsResponse
from gateway.web.charts import Bar, Caption, Figure, bars
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.tables import Cell, Table
from gateway.wording.languages import clauses, translated
from gateway.wording.times import told_time
from region_node.console import rpcs
from region_node.console.sections import Content, SectionsPage, section

PATH = "/imports"
_MOST = 100  # imports of the page
_DRAWN = 20  # of those that are not complete
_WHOLE = 100  # percent
_HASH = 16  # characters, as in rows of the audit chain


async def _read(_: Visit, calling: Calling) -> ListImportsResponse:
    return await calling.ask(rpcs.LIST_IMPORTS, ListImportsRequest(page_size=_MOST))


def _show(_: Visit, found: ListImportsResponse) -> Shown:
    running = [each for each in found.imports if each.processed < each.lines][:_DRAWN]
    figure = _progress(running) if running else None
    sections = [section(translated("Files"), found, lambda each: Content(figure=figure, table=_table(each)))]
    return SectionsPage(sections).shown(translated("Imports"), PATH)


def _progress(running: Sequence[Import]) -> Figure:
    """A bar for each file that is not complete."""
    told = [(_name(each), _percent(each)) for each in running]
    title = translated("Processed lines, in percent of the file")
    groups = [(name, [Bar(share, f"{share} %")]) for name, share in told]
    words = clauses(f"{name}: {share} %" for name, share in told)
    return Figure(bars(Caption("progress", title, words), groups, _WHOLE), title)


def _table(found: ListImportsResponse) -> Table:
    caption = translated("The last changed first.")
    if found.next_page_token:
        caption = translated("The {count} that changed last.", count=len(found.imports))
    return Table(
        label=translated("Files"),
        head=[
            Cell(translated("File (SHA-256)"), "col"),
            Cell(translated("Processed"), "col"),
            Cell(translated("New"), "col"),
            Cell(translated("Existing"), "col"),
            Cell(translated("Rejected"), "col"),
            Cell(translated("Changed"), "col"),
        ],
        rows=[
            [
                Cell(_name(each), "row"),
                Cell(
                    f"{_percent(each)} %",
                    badge="done" if each.processed >= each.lines else "moving",
                    note=translated("{done} of {lines} lines", done=f"{each.processed:,}", lines=f"{each.lines:,}"),
                ),
                Cell(f"{each.created:,}"),
                Cell(f"{each.existing:,}"),
                Cell(f"{each.rejected:,}"),
                Cell(told_time(each.change_time), style="time"),
            ]
            for each in found.imports
        ],
        caption=caption,
    )


def _name(file: Import) -> str:
    return file.sha256.hex()[:_HASH]


def _percent(file: Import) -> int:
    """The processed share of a file, rounded down: only a complete one is at the whole, as is one without lines."""
    return min(_WHOLE, _WHOLE * file.processed // file.lines) if file.lines else _WHOLE


VIEW = View.of(PATH, (rpcs.LIST_IMPORTS,), _read, _show)
