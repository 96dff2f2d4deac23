"""The settings of a program's backups."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.settings import example
from gateway.store.commit_archive import ArchivePlace
from gateway.wording.languages import translated

ARCHIVE = "archive"
"""The directory of the archive of commits, in that of a process."""


@dataclass(frozen=True)
class BackupSettings:
    """The repository of the backups (restic), and how many of them it keeps."""

    repository: str = field(metadata=example("sftp:backup.example:/srv/backups/sichuan"))
    """A directory on another disk, or what restic takes besides: `sftp:…`, `rest:https://…`, `s3:…`."""
    password_file: Path = field(metadata=example("backup.password"))
    """The file with the password that encrypts the repository; keep a copy apart from this machine."""
    keep_hourly: int = 48
    """The number of hours with a backup, of each of which the last backup stays."""
    keep_daily: int = 31
    """The same for days."""
    keep_monthly: int = 12
    """The same for months."""
    archive_mebibytes: int = 4096
    """The room that commits may take in `data` until they are in the repository."""
    point_in_time: bool = True
    """Whether moments between two copies can be restored; false for a PostgreSQL server that gives nobody its log."""

    def __post_init__(self) -> None:
        for key in ("keep_hourly", "keep_daily", "keep_monthly", "archive_mebibytes"):
            if getattr(self, key) < 1:
                raise ValueError(translated("{key}: must be at least 1", key=key))

    @property
    def secrets(self) -> Sequence[Path]:
        """The file of the password."""
        return [self.password_file]

    def archive(self, data: Path) -> ArchivePlace | None:
        """The archive of commits of the process with this directory; None where there is to be none."""
        return ArchivePlace(data / ARCHIVE, self.archive_mebibytes * 1024 * 1024) if self.point_in_time else None
