"""`python -m tests.bench.page`: writes the figures of the last recorded run into docs/performance.md."""

from collections.abc import Iterator
from pathlib import Path

from gateway.process.files import replace_file
from tests.bench.history import Ratio, Run, read
from tests.bench.requirements import QUIET, ROOT

PAGE = ROOT / "docs" / "performance.md"
_BEGIN, _END = "<!-- figures -->\n", "<!-- end of figures -->\n"
_READABLE = 0o644
_ORDERS = "orders/"


def with_figures(page: str, runs: list[Run]) -> str:
    """The text of a page with the figures of the last run between its marks. Raises ValueError without marks."""
    begin, end = page.index(_BEGIN) + len(_BEGIN), page.index(_END)
    lines = figures(runs[-1]) if runs else iter(["No run has been recorded yet."])
    return page[:begin] + "\n" + "\n".join(lines) + "\n\n" + page[end:]


def figures(run: Run) -> Iterator[str]:
    """The lines of a run in Markdown: its machine, the orders beside the bare chain, and all the rest."""
    machine = run.machine
    yield f"Commit `{run.commit[:8]}` on {run.date[:10]}: {machine.processor}, {machine.cores} processors,"
    yield f"{machine.memory_gib} GiB, Linux {machine.kernel}, databases on {machine.file_system}, durability on;"
    yield f"Python {run.python}, grpcio {run.grpcio}."
    if run.others_before > QUIET:
        yield f"Other programs kept {run.others_before:.1f} processors busy before the run."
    orders = {name: each for name, each in run.ratios.items() if name.startswith(_ORDERS)}
    rest = {name: each for name, each in run.ratios.items() if name not in orders}
    for ratios in (orders, rest):
        if ratios:
            yield ""
            yield "| figure | against | unit | base | measured | ratio | least to greatest | rounds |"
            yield "|---|---|---|---:|---:|---:|---:|---:|"
            yield from map(_row, ratios.values())


def _row(ratio: Ratio) -> str:
    spread = ratio.spread
    least_to_greatest = f"{spread.low:.2f} to {spread.high:.2f}"
    medians = f"{_number(ratio.base)} | {_number(ratio.measured)} | {spread.median:.2f}"
    return (
        f"| {ratio.figure} | {ratio.against} | {ratio.unit} | {medians} | {least_to_greatest} | {len(ratio.rounds)} |"
    )


def _number(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.2f}"


def write_page(page: Path = PAGE) -> None:
    """Writes the figures anew. Raises OSError."""
    replace_file(page, with_figures(page.read_text("utf-8"), read()).encode(), _READABLE)


if __name__ == "__main__":
    write_page()
