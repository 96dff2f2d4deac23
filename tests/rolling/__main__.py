"""`python -m tests.rolling`: load on the production shape while every process is replaced, one at a time."""

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import click
from rich.console import Console

from tests.rolling.replacing import Ending
from tests.rolling.run import Rolling
from tests.rolling.table import table

BUILD = Path(__file__).parents[2] / "build"
_WIDTH = 150  # columns of a table that is not shown on a terminal


@click.command()
@click.option("--seconds", default=0.0, show_default=True, help="for each way of ending; every process once at least")
@click.option(
    "--ending", "endings", type=click.Choice([each.value for each in Ending]), multiple=True, help="stop, kill or both"
)
def main(seconds: float, endings: tuple[str, ...]) -> None:
    """Replaces every process of the production shape under load, and proves that no call failed and no order was lost.

    Every process is stopped in order, then killed, unless --ending says which.
    """
    BUILD.mkdir(exist_ok=True)
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH
    with ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="rolling-", dir=BUILD))
        stack.callback(shutil.rmtree, directory)
        rolling = Rolling(directory)
        stack.callback(rolling.close)
        rolling.build()
        for ending in map(Ending, endings or [each.value for each in Ending]):
            console.print(table(rolling.run(ending, seconds)))


if __name__ == "__main__":
    main()
