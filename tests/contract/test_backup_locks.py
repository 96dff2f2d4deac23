"""Locks of restic: a command that is stopped leaves none, and the schedule removes those of killed processes."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local.process import wait_until
from gateway.backups.repository import Repository
from gateway.backups.settings import BackupSettings
from gateway.process.files import create_file
from tests.contract.programs import PATIENCE_S, REGION_NODE, Installation
from tests.contract.test_backups import put_rows, scheduled, told_by, with_repository

pytestmark = pytest.mark.skipif(shutil.which("restic") is None, reason="not there: run deploy/build/services.sh restic")
MEMBER = "member"
ADDING = """import pathlib, signal, sys
from gateway.backups.repository import Repository
from gateway.backups.settings import BackupSettings
signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
repository, password, cache, directory = map(pathlib.Path, sys.argv[1:])
Repository(BackupSettings(str(repository), password), "member", cache).add(directory)
"""
LARGE = 1 << 40  # bytes of a file without content: to read them takes longer than a test


@pytest.fixture(name="files")
def repository_files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """The repository, its password and its cache."""
    password = tmp_path / "backup.password"
    create_file(password, b"a password of the test\n")
    files = tmp_path / "repository", password, tmp_path / "cache"
    made(files).add(tmp_path_with(tmp_path, "small", 0))
    return files


def made(files: tuple[Path, Path, Path]) -> Repository:
    repository, password, cache = files
    return Repository(BackupSettings(str(repository), password), MEMBER, cache)


def tmp_path_with(tmp_path: Path, name: str, size: int) -> Path:
    directory = tmp_path / name
    directory.mkdir()
    with (directory / "file").open("wb") as file:
        file.truncate(size)
    return directory


def locks(repository: Path) -> list[Path]:
    return [path for path in (repository / "locks").iterdir() if "-tmp-" not in path.name]


@contextmanager
def adding(files: tuple[Path, Path, Path], directory: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """A process that adds a directory to the repository, in a group of its own, once restic has its lock."""
    words = [sys.executable, "-c", ADDING, *map(str, files), str(directory)]
    with subprocess.Popen(words, start_new_session=True) as process:
        try:
            wait_until(lambda: bool(locks(files[0])), PATIENCE_S, "restic has its lock")
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def test_a_command_that_is_stopped_leaves_no_lock_in_the_repository(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    with adding(files, tmp_path_with(tmp_path, "large", LARGE)) as process:
        process.terminate()
        assert process.wait(PATIENCE_S) == 128 + signal.SIGTERM
    assert locks(files[0]) == []


@pytest.mark.slow
def test_the_schedule_removes_the_lock_of_a_process_that_was_killed(tmp_path: Path) -> None:
    node = with_repository(Installation.make(REGION_NODE, tmp_path))
    put_rows(node)
    assert node.run("backups", "create").exit_code == 0
    repository = Path(node.settings["backup.repository"])
    files = repository, Path(node.settings["backup.password_file"]), tmp_path / "cache"
    with adding(files, tmp_path_with(tmp_path, "large", LARGE)) as process:
        (restic,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(restic), signal.SIGKILL)
        assert process.wait(PATIENCE_S) == 1
    (lock,) = locks(repository)
    with scheduled(node) as schedule:
        assert next(told_by(schedule)).startswith("backups drill: done")
    assert not lock.exists()
