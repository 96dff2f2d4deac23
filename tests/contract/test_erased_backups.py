"""What archive and repository have of erased data, for somebody with the region's keys and the password at hand."""

import asyncio
import os
import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics import MeterProvider

from gateway.backups import copies, remains
from gateway.backups.history import History, Task, observe_backups
from gateway.backups.remains import MOST_AGE, SCRATCH, oldest_content, remove_old
from gateway.backups.repository import Backup, Repository
from gateway.backups.settings import BackupSettings
from gateway.maintenance import backup_schedule
from gateway.maintenance.backup_member import BackupMember
from gateway.store import vault
from gateway.store.agreed_time import keep_agreed
from gateway.store.commit_archive import SEGMENT_SECONDS, ArchivePlace, begun
from gateway.store.opening import DatabasePlace, PostgresqlSettings
from gateway.store.port import Operation
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore
from gateway.store.timers import cancel_timer, set_timer
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import BETWEEN_TRUSTED, EPOCH, to_microseconds
from tests.at_rest import WrappedKey, recovered_subjects, wrapped_keys
from tests.contract.postgresql_scene import until
from tests.contract.programs import REGION_NODE, Installation
from tests.contract.repository_content import content_of, make_readable
from tests.contract.stores import run
from tests.contract.test_backups import with_repository
from tests.keys import region_keys

ERASED = "customer/erased"
TEXT = random.Random(1).randbytes(32).hex()
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
needs_restic = pytest.mark.skipif(
    shutil.which("restic") is None, reason="not there: run deploy/build/services.sh restic"
)


class Node:
    """A node with a repository that keeps the newest copy and the newest archive alone."""

    def __init__(self, directory: Path) -> None:
        self.installed = with_repository(Installation.make(REGION_NODE, directory))
        self.installed.settings.update({f"backup.keep_{each}": "1" for each in ("hourly", "daily", "monthly")})
        self.repository, self.password = directory / "repository", directory / "backup.password"
        self.data = Path(self.installed.settings["data"])
        self.keys = list[WrappedKey]()
        make_readable(self.repository, self.password)
        self.done("migrate")

    def done(self, *words: str) -> None:
        """A command of the node."""
        told = self.installed.run(*words)
        assert told.exit_code == 0, told.output

    def work(self, *operations: Operation[object], scrub: bool = False) -> None:
        """A process of the node that serves for as long as these operations take."""

        async def work() -> None:
            archive = ArchivePlace(self.data / "archive", 1 << 30)
            store = SqliteStore(self.installed.file, self.installed.migrations, region_keys(), archive)
            for each in operations:
                await store.write(each)
            assert not scrub or await store.scrub([], since="", is_quiet=True) == ""
            await store.close()

        asyncio.run(work())

    def plant(self) -> None:
        """Something of a customer, and a key that the test knows again."""
        self.work(
            lambda tx: set_timer(tx, "planted", kind="kind", subject=TEXT, due=NOW),
            lambda tx: vault.seal(tx, ERASED, "place", b"somebody"),
            lambda tx: self.keys.extend(wrapped_keys(tx, [ERASED])),
        )

    def erase(self) -> datetime:
        """Erases both; returns the end of the scrub."""
        self.work(lambda tx: cancel_timer(tx, "planted"), lambda tx: vault.destroy(tx, [ERASED]), scrub=True)
        return datetime.now(UTC)

    def commit(self) -> None:
        """Something else."""
        self.work(lambda tx: set_timer(tx, "other", kind="kind", subject="other", due=NOW))

    def found(self) -> set[str]:
        """The places in which somebody with the keys finds the customer."""
        places = {
            "database": b"".join(path.read_bytes() for path in self.data.glob("*.sqlite*")),
            "archive": b"".join(path.read_bytes() for path in (self.data / "archive").iterdir()),
            "repository": content_of(self.repository, self.password),
        }
        return {
            place
            for place, content in places.items()
            if TEXT.encode() in content or recovered_subjects(content, self.keys, region_keys().set)
        }

    def oldest(self) -> datetime:
        """Since when archive and repository have commits."""
        return oldest_content(self.data, (), datetime.now(UTC), is_backed_up=True) + BETWEEN_TRUSTED


class Clock:
    """A clock that stands, or is set."""

    at = NOW

    def now(self) -> datetime:
        return self.at

    def steady(self) -> float:
        return 0.0


def unnamed(data: Path) -> datetime:
    """Since when an archive has commits whose settings name no repository."""
    return oldest_content(data, (), NOW, is_backed_up=False)


def failing(archive: Path, now: datetime, *, is_written: bool) -> int:
    raise OSError(f"{archive}: has a disk that fails at {now}")


@needs_restic
def test_a_repository_keeps_no_part_of_a_file_that_no_backup_has_any_more(tmp_path: Path) -> None:
    password, repository, files = tmp_path / "password", tmp_path / "repository", tmp_path / "files"
    password.write_bytes(b"a password of the test")
    make_readable(repository, password)
    settings = BackupSettings(str(repository), password, keep_hourly=1, keep_daily=1, keep_monthly=1)
    kept = Repository(settings, "member", tmp_path / "cache")
    files.mkdir()
    (files / "large").write_bytes(random.Random(2).randbytes(4 << 20))
    (files / "small").write_text(TEXT)
    kept.add(files)
    assert TEXT.encode() in content_of(repository, password), "the search finds what is there"
    (files / "small").unlink()
    added = kept.add(files)
    kept.forget()
    assert [each.id for each in kept.everything()] == [added.id]
    assert TEXT.encode() not in content_of(repository, password)


@needs_restic
@pytest.mark.slow
def test_nobody_with_all_keys_finds_an_erased_customer_in_archive_or_repository_once_both_begin_behind_the_erasure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node(tmp_path)
    node.done("backups", "create")
    node.plant()
    node.done("backups", "create")
    assert node.found() == {"database", "archive", "repository"}, "the search finds what is there"
    erased = node.erase()
    node.done("backups", "archive")
    assert (node.found(), node.oldest() < erased) == ({"archive", "repository"}, True)
    with monkeypatch.context() as patched:
        patched.setattr(Repository, "forget", lambda _: None)  # as where the settings keep more
        for _ in range(4):
            node.commit()
            node.done("backups", "create")
    assert (node.found(), node.oldest() < erased) == ({"repository"}, True)
    node.done("backups", "create")
    assert (node.found(), node.oldest() < erased) == (set(), False)


def test_a_copy_by_a_clock_that_is_ahead_counts_by_the_agreed_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Repository, "add", lambda *_: Backup("a", NOW, 0, 0))
    monkeypatch.setattr(Repository, "forget", lambda _: None)
    monkeypatch.setattr(Repository, "everything", lambda _: [])
    place = DatabasePlace(tmp_path / "node.db", archive=ArchivePlace(tmp_path / "archive", 1 << 30))
    backup = BackupSettings("repository", tmp_path / "password")
    member = BackupMember("member", place, tmp_path, Repository(backup, "member", tmp_path / "cache"))
    agreed = datetime.now(UTC) - timedelta(days=4)

    async def work() -> None:
        store = SqliteStore(place.file, migrations_of("gateway"), region_keys(), place.archive)
        await store.write(lambda tx: keep_agreed(tx, agreed))
        member.create()
        await store.write(lambda tx: keep_agreed(tx, datetime.now(UTC) + timedelta(days=4)))
        assert copies.agreed_now(place) <= datetime.now(UTC), "of two clocks the earlier one counts"
        await store.close()

    asyncio.run(work())
    history = History.read(tmp_path)
    assert history.copy_begin_time == agreed
    assert history.archive_begin_time == agreed - timedelta(seconds=SEGMENT_SECONDS), "of a file with a later name"


def test_files_of_the_engine_before_a_move_count_in_the_archive(tmp_path: Path) -> None:
    place = DatabasePlace(tmp_path / "node.db", PostgresqlSettings("dbname=none"))
    backup = BackupSettings("repository", tmp_path / "password")
    member = BackupMember("member", place, tmp_path, Repository(backup, "member", tmp_path / "cache"))
    before, archive = History(copy_begin_time=NOW, archive_begin_time=NOW - MOST_AGE), tmp_path / "archive"
    archive.mkdir()
    (archive / "archived").touch()
    assert member._archive_begin(before, NOW, goes_on=True) == NOW
    (archive / "a-1-1.commits").touch()
    assert member._archive_begin(before, NOW, goes_on=True) == NOW - MOST_AGE


def test_an_archive_of_which_no_copy_is_made_loses_its_files_after_three_days(tmp_path: Path) -> None:
    archive, old = tmp_path / "archive", (NOW - MOST_AGE).timestamp()
    (archive / "history").mkdir(parents=True)
    for name, written in {"a.commits": old - 1, "b.commits": old + 1, "history/0001": old - 1}.items():
        (archive / name).write_bytes(b"pages")
        os.utime(archive / name, (written, written))
    oldest = datetime.fromtimestamp(old - 1 - SEGMENT_SECONDS, UTC) - BETWEEN_TRUSTED
    assert unnamed(tmp_path) == oldest, "a file may have taken commits for an hour"
    assert remove_old(archive, NOW, is_written=False) == 2
    assert [path.name for path in archive.glob("*.commits")] == ["b.commits"]
    assert unnamed(tmp_path) == oldest + timedelta(seconds=2)
    assert remove_old(archive, NOW + timedelta(seconds=2), is_written=False) == 1
    assert unnamed(tmp_path) == NOW, "there is nothing"
    assert remove_old(tmp_path / "none", NOW, is_written=True) == 0


def test_an_archive_that_is_written_keeps_the_newest_file_of_each_timeline(tmp_path: Path) -> None:
    old, names = (NOW - 2 * MOST_AGE).timestamp(), ("a-1-3", "a-2-3", "a-7-2", "a-7-1", "b-1-1")
    for name in names:
        (tmp_path / f"{name}.commits").write_bytes(b"pages")
        os.utime(tmp_path / f"{name}.commits", (old, old))
    assert remove_old(tmp_path, NOW, is_written=True) == 2
    assert {path.stem for path in tmp_path.iterdir()} == {"a-7-2", "a-7-1", "b-1-1"}, "of either writing may go on"
    assert remove_old(tmp_path, NOW, is_written=False) == 3


def test_files_that_seem_to_be_of_the_future_have_no_known_age(tmp_path: Path) -> None:
    ahead = (NOW + 2 * BETWEEN_TRUSTED).timestamp()
    for name, written in {"a": NOW.timestamp(), "b": ahead}.items():
        (tmp_path / "archive").mkdir(exist_ok=True)
        (tmp_path / "archive" / name).write_bytes(b"pages")
        os.utime(tmp_path / "archive" / name, (written, written))
    assert unnamed(tmp_path) == EPOCH


def test_the_begin_of_an_archive_is_unknown_where_its_clock_was_set_back(tmp_path: Path) -> None:
    day = 86_400_000_000_000
    for name in (f"a-1-{5 * day:x}", f"a-2-{5 * day - 1:x}", f"b-1-{4 * day:x}"):
        (tmp_path / f"{name}.commits").touch()
    assert begun(tmp_path) == EPOCH + timedelta(days=4), "no clock is set back between two timelines, or by as little"
    (tmp_path / f"a-3-{day:x}.commits").touch()
    assert begun(tmp_path) == EPOCH


def test_a_process_removes_the_old_files_again_and_again_and_goes_on_behind_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(remains, "_LOOK_SECONDS", 0.01)
    file, old = tmp_path / "archive" / "a.commits", (NOW - 2 * MOST_AGE).timestamp()
    file.parent.mkdir()

    def put() -> None:
        file.write_bytes(b"pages")
        os.utime(file, (old, old))

    async def scenario() -> None:
        running = asyncio.create_task(remains.keep_bounded(file.parent, AgreedClock(Clock()), is_written=False))
        put()
        await until(lambda: not file.exists())
        with monkeypatch.context() as patched:
            patched.setattr(remains, "remove_old", failing)
            await until(lambda: "stay in the archive" in caplog.text)
        put()
        await until(lambda: not file.exists())
        running.cancel()

    run(scenario())
    assert "has lost 1 files" in caplog.text


@pytest.mark.parametrize("days", [-4, 4])
def test_a_wrong_clock_of_the_machine_makes_no_file_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, days: int
) -> None:
    monkeypatch.setattr(remains, "_LOOK_SECONDS", 0.01)
    clock, wrong = Clock(), NOW + timedelta(days=days)
    agreed = AgreedClock(clock)
    clock.at = wrong
    written = min(NOW, wrong).timestamp()
    for name, time in {"written": written, "old": written - 2 * MOST_AGE.total_seconds()}.items():
        (tmp_path / name).write_bytes(b"pages")
        os.utime(tmp_path / name, (time, time))

    async def scenario() -> None:
        running = asyncio.create_task(remains.keep_bounded(tmp_path, agreed, is_written=False))
        await until(lambda: "has lost" in caplog.text)
        running.cancel()

    run(scenario())
    assert [path.name for path in tmp_path.iterdir()] == ["written"]


def test_nobody_knows_how_old_backups_are_without_their_history_or_while_a_copy_is_under_way(tmp_path: Path) -> None:
    unknown = EPOCH
    data, disk = tmp_path / "data", tmp_path / "disk"
    data.mkdir()
    known = History(copy_time=NOW, archive_begin_time=NOW, kept={"a": to_microseconds(NOW) + 1})
    known.write(data)
    assert oldest_content(data, (disk,), NOW + timedelta(days=1), is_backed_up=True) == NOW - BETWEEN_TRUSTED
    (disk / SCRATCH).mkdir(parents=True)
    assert oldest_content(data, (disk,), NOW, is_backed_up=True) == unknown
    (disk / SCRATCH).rmdir()
    History(copy_time=NOW, archive_begin_time=NOW, kept={"a": 0}).write(data)
    assert oldest_content(data, (disk,), NOW, is_backed_up=True) == unknown, "a backup of an older version"
    History(copy_time=NOW).write(data)
    assert oldest_content(data, (disk,), NOW, is_backed_up=True) == unknown
    (data / "backups.json").write_bytes(b"torn")
    assert oldest_content(data, (disk,), NOW, is_backed_up=True) == unknown


def test_a_repository_of_which_this_machine_has_no_copy_noted_has_content_of_unknown_age(tmp_path: Path) -> None:
    assert unnamed(tmp_path) == NOW, "there is no repository"
    assert oldest_content(tmp_path, (), NOW, is_backed_up=True) == EPOCH, "a new disk has no history"
    backup = BackupSettings("repository", tmp_path / "password")
    place, meter = DatabasePlace(tmp_path / "node.db"), MeterProvider().get_meter("test")
    observe_backups(meter, backup, place, tmp_path, Clock())
    assert oldest_content(tmp_path, (), NOW, is_backed_up=True) == EPOCH
    assert unnamed(tmp_path) == EPOCH, "the settings have named one"


def test_a_torn_history_that_is_written_anew_makes_no_backup_younger(tmp_path: Path) -> None:
    backup, history = BackupSettings("repository", tmp_path / "password"), tmp_path / "backups.json"
    place, meter = DatabasePlace(tmp_path / "node.db"), MeterProvider().get_meter("test")
    member = BackupMember("member", place, tmp_path, Repository(backup, "member", tmp_path / "cache"))

    def start() -> None:
        observe_backups(meter, backup, place, tmp_path, Clock())

    for write in (start, lambda: backup_schedule._Schedule(member)._note({Task.CREATE: NOW})):
        history.write_bytes(b"torn")
        write()
        assert history.read_bytes() != b"torn"
        assert (unnamed(tmp_path), oldest_content(tmp_path, (), NOW, is_backed_up=True)) == (EPOCH, EPOCH)
