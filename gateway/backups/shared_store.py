"""A store that processes share beside their databases: its copy stands in the directory of a database's copy."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

CHANGES = "changes"
"""The mark of the changes behind a copy in the repository, and the name of their directory."""


@dataclass(frozen=True)
class SharedCopy:
    """The content of the copy of a shared store."""

    store: str
    """The name of the store, for example `etcd`."""
    cluster: str
    """The id of the cluster that was copied, in hexadecimal. A restored cluster has another one."""
    revision: int
    """The last change in the copy."""
    entries: int
    hash: str
    """SHA-256 of all entries with their revisions, in hexadecimal."""
    time: datetime
    """The time of the copy, aware."""


class SharedStore(Protocol):
    """A store that processes share beside their databases."""

    @property
    def name(self) -> str:
        """Its name, for example `etcd`."""

    def require_programs(self) -> None:
        """Raises ProgramMissing where a program that copies and proves it is not installed."""

    def copy(self, directory: Path, now: datetime) -> None:
        """Copies the store into the directory of a database's copy. `now` is aware.

        Raises ProgramMissing before anything is copied, CopyFailed, and OSError.
        """

    def begin(self, log: Path, directory: Path) -> None:
        """Begins a log of changes, in a directory of its own, behind the copy of a directory.

        Raises CopyFailed, and OSError.
        """

    def extend(self, log: Path) -> None:
        """Adds to a log all that the store has changed since.

        Raises ArchiveGap where the store has that no more, CopyFailed, and OSError.
        """

    def prove(self, directory: Path) -> SharedCopy | None:
        """Restores the copy of a directory into a scratch place there, and compares every entry.

        With a log beside it, its changes are made again, and compared with the store as it was then. Returns None for a
        directory without a copy. Raises CopyFailed where something did not come back, and OSError.
        """
