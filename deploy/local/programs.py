"""The programs of a federation, and the modules that run their commands."""

from pathlib import Path

from deploy.local.process import Program

REGION_NODE = "region-node"


def run_by(clock_file: Path | None, program: str, *arguments: str) -> tuple[str, tuple[str, ...]]:
    """The module that runs a command of a program by a clock, the machine's without a file, and its arguments."""
    if clock_file is not None:
        return "deploy.local.driven", (str(clock_file), program, *arguments)
    return f"{program.replace('-', '_')}.cli.main", arguments


def beside(directory: Path, name: str, module: str, *arguments: str) -> Program:
    """A program beside those of the federation in a directory, with its files in `certificates/<name>`."""
    files, port_file = directory / "certificates" / name, directory / "data" / f"{name}.port"
    common = (f"--directory={files}", f"--port-file={port_file}")
    return Program(name, module, (*common, *arguments), directory / "logs" / f"{name}.log", port_file)
