"""The needs of a bench, checked before anything starts; one message names all that is missing."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from deploy.local.process import ProcessFailed, interrupted_once
from deploy.local.stores import require_installed
from tests.bench.machine import sync_seconds
from tests.bench.processor_time import other_processors

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
"""Files of a run lie there and not among temporary ones, which may lie in memory where a commit costs nothing."""
LEAST_FREE = 2 * 2**30  # bytes
_GIB = 2**30
IN_MEMORY = 20e-6  # seconds; no disk has a write sooner
_LOOK = 2.0  # seconds in which other programs are watched before a run
QUIET = 0.3
"""The processors that other programs may keep busy beside a run."""


class NotReady(Exception):
    """The bench lacks something; the message names all of it, with the remedies."""


@dataclass(frozen=True)
class Needs:
    """The needs of one bench, with its databases below a directory that may not exist yet."""

    directory: Path
    engines: bool = False
    """Whether it starts etcd and PostgreSQL."""
    without_engines: str = "--engine-callers 0"
    """The option by which it does not."""
    synced: bool = True
    """Whether commits must reach a disk."""
    recorded: bool = False
    """Whether its figures are to be those of a commit."""
    room: int = 0
    """The bytes that its databases take beyond those of the other benches."""
    missing: Sequence[str] = ()
    """Its lacks beyond these, each a sentence with the remedy."""

    def require(self) -> None:
        """Raises NotReady."""
        if problems := list(self._problems()):
            raise NotReady("\n".join(problems))

    def _problems(self) -> Iterator[str]:
        if self.engines:
            try:
                require_installed(etcd=True, postgresql=True)
            except ProcessFailed as failure:
                yield f"{failure}. {self.without_engines} measures without these servers."
        place = next(each for each in (self.directory.absolute(), *self.directory.absolute().parents) if each.exists())
        least = LEAST_FREE + self.room
        if (free := shutil.disk_usage(place).free) < least:
            yield f"{place} has {free / _GIB:.1f} GiB free, and {least / _GIB:.0f} are needed: --output elsewhere"
        if self.synced and sync_seconds(place) < IN_MEMORY:
            yield (
                f"{place} lies in memory, where a commit costs nothing: --output on a disk, or --unsynced,"
                " whose figures are not to be told"
            )
        yield from self.missing
        if self.recorded and (changed := changes(ROOT)):
            yield f"a recorded run is that of a commit, and the tree has changes:\n{changed}"


def ready(needs: Needs) -> float:
    """Checks the needs, and whether the machine is quiet; returns how many processors others keep busy.

    Raises ClickException where something is missing.
    """
    try:
        needs.require()
    except NotReady as missing:
        raise click.ClickException(str(missing)) from None
    others = other_processors(_LOOK)
    if others > QUIET:
        click.echo(f"other programs keep {others:.1f} processors busy: the figures are marked so", err=True)
    return others


@contextmanager
def working_directory(place: Path, prefix: str) -> Iterator[Path]:
    """A new directory in a place, which is made where it is missing; removed with all its files at the end.

    Also where this process is terminated: what was started in the directory ends first.
    """
    place.mkdir(parents=True, exist_ok=True)
    with interrupted_once():
        directory = Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=place))
        try:
            yield directory
        finally:
            shutil.rmtree(directory)


def changes(tree: Path) -> str:
    """The changes of a git tree against its commit, a line each; empty for a clean tree."""
    return _git(tree, "status", "--porcelain")


def commit_of(tree: Path) -> str:
    """The commit of a git tree: 40 hexadecimal digits."""
    return _git(tree, "rev-parse", "HEAD").strip()


def _git(tree: Path, *words: str) -> str:
    command = [shutil.which("git") or "git", *words]
    return subprocess.run(command, cwd=tree, check=True, capture_output=True, text=True).stdout
