"""The programs of a federation, and the modules that run their commands."""

from pathlib import Path

REGION_NODE = "region-node"


def run_by(clock_file: Path | None, program: str, *arguments: str) -> tuple[str, tuple[str, ...]]:
    """The module that runs a command of a program by a clock, the machine's without a file, and its arguments."""
    if clock_file is not None:
        return "deploy.local.driven", (str(clock_file), program, *arguments)
    return f"{program.replace('-', '_')}.cli.main", arguments
