"""The repository of backups: restic encrypts, keeps what is new alone, and verifies what it has."""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gateway.backups.refused import CopyFailed
from gateway.backups.room import require_free
from gateway.backups.settings import BackupSettings
from gateway.backups.shared_store import CHANGES
from gateway.process.children import ended
from gateway.wording.languages import translated

_PROGRAM = "restic"
COMMITS = "archive"
"""The mark of an archive of commits, beside that of its member."""
# Exit codes of restic 0.17 and later.
_NO_REPOSITORY, _LOCKED, _WRONG_PASSWORD = 10, 11, 12
_STOP_SECONDS = 8.0  # containers are killed ten seconds after they were told to end


@dataclass(frozen=True)
class Backup:
    """A copy in the repository."""

    id: str
    time: datetime
    size: int
    """Bytes of the copy."""
    added: int
    """Bytes that it added to the repository."""


class Repository:
    """The repository of one member. Only one process writes to it at a time."""

    def __init__(self, settings: BackupSettings, member: str, cache: Path) -> None:
        """`member` is the URI of the member, which marks its backups in the repository."""
        self._settings = settings
        self._member = member
        self._cache = cache

    def add(self, directory: Path, mark: str = "") -> Backup:
        """Adds the files of a directory: as a copy, or with the mark of an archive behind copies. Raises CopyFailed.

        Makes the repository if there is none.
        """
        tags = [word for each in (self._member, mark) if each for word in ("--tag", each)]
        backup = ("backup", ".", *tags, "--group-by", "tags")
        added = self._run(*backup, directory=directory, may_end_with=_NO_REPOSITORY)
        if added is None:
            self._run("init")
            added = self._run(*backup, directory=directory) or ""
        summary = json.loads(added.splitlines()[-1])
        time = datetime.fromisoformat(summary["backup_start"])
        return _backup({"short_id": summary["snapshot_id"][:8], "time": time, "summary": summary})

    def all(self) -> list[Backup]:
        """The copies of the member, oldest first. Raises CopyFailed."""
        return [_backup(each) for each in self._snapshots() if not {COMMITS, CHANGES} & set(_tags(each))]

    def archives(self, mark: str) -> list[Backup]:
        """The archives of the member with a mark, oldest first. Raises CopyFailed."""
        return [_backup(each) for each in self._snapshots() if mark in _tags(each)]

    def everything(self) -> list[Backup]:
        """The copies and archives of the member, oldest first. Raises CopyFailed."""
        return [_backup(each) for each in self._snapshots()]

    def _snapshots(self) -> list[dict[str, object]]:
        found = self._run("snapshots", "--tag", self._member, may_end_with=_NO_REPOSITORY)
        snapshots: list[dict[str, object]] = json.loads(found or "[]")
        return sorted(snapshots, key=lambda each: datetime.fromisoformat(str(each["time"])))

    def extract(self, backup: Backup, target: Path) -> None:
        """Writes the files of a backup into a directory. Raises CopyFailed, also where its disk has no room."""
        require_free(target, backup.size)
        self._run("restore", backup.id, "--tag", self._member, "--target", str(target), "--verify")

    def verify(self) -> None:
        """Reads everything that the repository has and compares it with its hashes. Raises CopyFailed."""
        self._run("check", "--read-data")

    def forget(self) -> None:
        """Removes the backups that the settings do not keep, with all that they alone had. Raises CopyFailed."""
        kept = self._settings
        self._run(
            *("forget", "--tag", self._member, "--group-by", "tags", "--keep-last", "1"),
            *("--keep-hourly", str(kept.keep_hourly)),
            *("--keep-daily", str(kept.keep_daily), "--keep-monthly", str(kept.keep_monthly)),
        )
        # By itself restic leaves a part that no backup needs, and after a broken run it would look for none.
        self._run("prune", "--max-unused", "0")

    def unlock(self) -> None:
        """Removes the locks of processes that were killed; others stay. Raises CopyFailed."""
        self._run("unlock", may_end_with=_NO_REPOSITORY)

    def _run(self, *arguments: str, directory: Path | None = None, may_end_with: int = 0) -> str | None:
        """The output of restic; None where it ends with this code. Raises CopyFailed for every other one but 0."""
        environment = {
            **os.environ,
            "RESTIC_REPOSITORY": self._settings.repository,
            "RESTIC_PASSWORD_FILE": str(self._settings.password_file.absolute()),
            "RESTIC_CACHE_DIR": str(self._cache.absolute()),
        }
        command: Sequence[str] = (_PROGRAM, "--json", "--quiet", *arguments)
        try:
            restic = subprocess.Popen(
                command, cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        except FileNotFoundError:
            raise CopyFailed(translated("{program} is not installed", program=_PROGRAM)) from None
        with restic, ended(restic, _STOP_SECONDS):  # killed, it would leave its lock in the repository
            output, errors = restic.communicate()
        if restic.returncode == 0:
            return output
        if restic.returncode == may_end_with:
            return None
        raise CopyFailed(_told(restic.returncode, errors, self._settings))


def _tags(told: dict[str, object]) -> Sequence[str]:
    tags = told.get("tags")
    return tags if isinstance(tags, list) else ()


def _backup(told: dict[str, object]) -> Backup:
    summary = told.get("summary")
    sizes = summary if isinstance(summary, dict) else {}
    time = datetime.fromisoformat(str(told["time"]))
    return Backup(
        str(told["short_id"]), time, int(sizes.get("total_bytes_processed", 0)), int(sizes.get("data_added_packed", 0))
    )


def _told(code: int, errors: str, settings: BackupSettings) -> str:
    if code == _NO_REPOSITORY:
        return translated("{repository}: has no backups", repository=settings.repository)
    if code == _LOCKED:
        return translated("{repository}: another process works with it", repository=settings.repository)
    if code == _WRONG_PASSWORD:
        return translated(
            "{repository}: {file} has another password", repository=settings.repository, file=settings.password_file
        )
    lines = [_message(each) for each in errors.splitlines() if each.strip()]
    return f"{settings.repository}: {lines[-1] if lines else code}"


def _message(line: str) -> str:
    try:
        told = json.loads(line)
    except ValueError:
        return line
    return str(told.get("message", line)) if isinstance(told, dict) else line
