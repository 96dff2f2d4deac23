"""`python -m tests.chaos`: faults of all kinds in the production shape under a mixed load, and the proof after them."""

import json
import random
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import click
from rich.console import Console

from deploy.local.process import interrupted_once
from deploy.local.profiles import Engine
from tests.chaos.report import plain, tables
from tests.chaos.run import Chaos

BUILD = Path(__file__).parents[2] / "build"
_WIDTH = 170  # columns of a table that is not shown on a terminal
_SEEDS = 1_000_000


@click.command()
@click.option("--minutes", default=10.0, show_default=True, help="of load under faults")
@click.option("--seed", type=int, help="which faults; without it any")
@click.option("--engine", type=click.Choice([each.value for each in Engine]), default=Engine.POSTGRESQL.value)
@click.option("--json", "as_json", is_flag=True, help="the report for programs")
@click.option("--keep", is_flag=True, help="keeps the files and logs of a run")
def main(minutes: float, seed: int | None, engine: str, *, as_json: bool, keep: bool) -> None:
    """Breaks every member of the production shape under a mixed load, and proves that nothing was lost or doubled.

    The faults are drawn from the seed. Exit code 1 where a promise was broken.
    """
    BUILD.mkdir(exist_ok=True)
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH
    chosen = random.randrange(_SEEDS) if seed is None else seed
    with ExitStack() as stack:
        stack.enter_context(interrupted_once())
        directory = Path(tempfile.mkdtemp(prefix="chaos-", dir=BUILD))
        if not keep:
            stack.callback(shutil.rmtree, directory)
        chaos = Chaos(directory, Engine(engine), chosen)
        stack.callback(chaos.close)
        chaos.build()
        report = chaos.run(minutes * 60)
    if as_json:
        click.echo(json.dumps(plain(report), indent=2, ensure_ascii=False))
    else:
        for table in tables(report):
            console.print(table)
    sys.exit(1 if report.violations else 0)


if __name__ == "__main__":
    main()
