"""The settings of a program's backups."""

from dataclasses import dataclass, field
from pathlib import Path

from gateway.settings import example
from gateway.wording.languages import translated


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

    def __post_init__(self) -> None:
        for key in ("keep_hourly", "keep_daily", "keep_monthly"):
            if getattr(self, key) < 1:
                raise ValueError(translated("{key}: must be at least 1", key=key))
