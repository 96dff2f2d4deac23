"""Trees of several versions, and a launcher that runs each process of a federation from the tree that it is at."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from deploy.local.process import ChildProcess, Program, Started
from deploy.releases import extract
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.store.schema import CONTRACTING

PRESENT = Path(__file__).parents[2]
_PACKAGES = ("gateway", "region_node", "coordinator")
_ANCHOR, _UNSIGNED = "federation_anchor", "allow_unsigned_configuration"
_SCOPES, _SCOPES_KNOWN = "operators = ", "operators: Path"  # in a settings file, and in the module that reads it
_READ = (
    "import sys; from pathlib import Path; from gateway.federation.files import load; "
    "sys.stdout.buffer.write(load(Path(sys.argv[1])).SerializeToString())"
)
LATER = {
    "0998_later.sql": "CREATE TABLE later (id INTEGER NOT NULL PRIMARY KEY);\n"
    "ALTER TABLE outbox ADD COLUMN later INTEGER NOT NULL DEFAULT 0;\n",
    "0999_last.sql": f"{CONTRACTING}the table of 0998, which nothing needs.\nDROP TABLE later;\n",
}
"""The schema files of the next version: one expands, one contracts."""


def tree_of(commit: str, directory: Path) -> Path:
    """The tree of a commit. Raises ReleaseError where this clone lacks it."""
    extract(commit, directory)
    return directory


def next_version(directory: Path) -> Path:
    """A tree as the next version might be: the present one with schema files that the present one does not know."""
    for package in _PACKAGES:
        shutil.copytree(PRESENT / package, directory / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, sql in LATER.items():
        (directory / "gateway" / "schema" / name).write_text(sql)
    return directory


def read_by(tree: Path, files: Path) -> Configuration:
    """The configuration in the files of a directory, as a version reads them. Raises CalledProcessError."""
    command = [sys.executable, "-c", _READ, str(files)]
    read = subprocess.run(
        command, env={"PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1"}, stdout=subprocess.PIPE, check=True
    )
    return Configuration.FromString(read.stdout)


class Trees:
    """Which tree each process runs from. Its `launch` is the launcher of a federation without signatures."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self._of: dict[str, Path] = {}

    def at(self, name: str) -> Path:
        """The tree of a process."""
        return self._of.get(name, self._tree)

    def put(self, name: str, tree: Path) -> None:
        """The process runs from another tree when it is started next."""
        self._of[name] = tree

    def launch(self, program: Program, environment: Mapping[str, str], log: IO[bytes]) -> Started:
        """See deploy.local.process.Launcher."""
        tree, arguments = self.at(program.name), list(program.arguments)
        arguments[-1] = str(readable(Path(arguments[-1]), tree))
        return subprocess.Popen(
            [sys.executable, "-m", program.module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**environment, "PYTHONPATH": str(tree)},
            cwd=tree,
            start_new_session=True,
        )

    def migration(self, program: Program) -> ChildProcess:
        """The command `migrate` of the tree that a process is at, launched."""
        tree, settings = self.at(program.name), Path(program.arguments[-1])
        command = [sys.executable, "-m", program.module, "migrate", "--settings", str(readable(settings, tree))]
        migration = ChildProcess(f"migrate of {program.name}", program.log)
        migration.run(command, {**os.environ, "PYTHONPATH": str(tree)}, directory=tree)
        return migration


def knows_signatures(tree: Path) -> bool:
    """Whether a version verifies signed configurations."""
    return (tree / "coordinator" / "schema" / "0127_signed_revisions.sql").exists()


def readable(settings: Path, tree: Path) -> Path:
    """A copy of a settings file of the present version as another one can read it: with the choices that it knows."""
    lines = settings.read_text().splitlines()
    known = "".join(each.read_text("utf-8") for each in (tree / "region_node").rglob("settings.py"))
    if _SCOPES_KNOWN not in known:
        lines = [each for each in lines if not each.startswith(_SCOPES)]
    if not knows_signatures(tree):
        lines = [each for each in lines if not each.startswith(_ANCHOR)]
    elif not any(each.startswith(_ANCHOR) for each in lines):
        lines.insert(0, f"{_UNSIGNED} = true")
    copy = settings.with_suffix(".versioned.toml")
    copy.write_text("\n".join(lines) + "\n")
    return copy
