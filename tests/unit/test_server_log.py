"""Where the log of a PostgreSQL server is read no further, and which of its files go on from one place to another."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backups.refused import ArchiveGap, CopyFailed
from gateway.backups.replaying import EVERYTHING, Moment, Reach
from gateway.backups.server_copies import last_commit
from gateway.backups.server_log import LoggedCommit, ServerLog, lay_out, place_of, segments, slot_of, told_place
from gateway.store.commit_archive import ArchivePlace
from gateway.store.opening import DatabasePlace, PostgresqlSettings
from gateway.store.timeline import Position

START = datetime(2026, 11, 29, 12, tzinfo=UTC)
HISTORY = "7300000000000000001-1"
SIZE = 1 << 20
COPIED = Position(HISTORY, 20)


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


def logged(*seconds: int) -> list[LoggedCommit]:
    """A commit for each time, ten bytes apart."""
    return [LoggedCommit(10 * number, at(second)) for number, second in enumerate(seconds, 1)]


def reached(place: int, second: int) -> Reach:
    return Reach(at(second), HISTORY, place)


@given(
    st.lists(st.integers(0, 50), min_size=3, max_size=9),
    st.integers(0, 60),
    st.none() | st.integers(1, 90),
)
def test_no_commit_by_a_moment_is_left_out_and_none_is_taken_that_no_clock_explains(
    seconds: Sequence[int], second: int, number: int | None
) -> None:
    commits = logged(*seconds)
    moment = Moment(commits=number) if number is not None else Moment(at(second))
    try:
        last = last_commit(commits, COPIED, None, moment)
    except CopyFailed:
        assert number is not None, "without a mark of the archive all moments are there"
        assert number > commits[-1].place
        return
    left_out = [each for each in commits if each.place > last.place]
    if number is None:
        assert all(each.time > at(second) for each in left_out)
        assert last.time <= at(second) or last.place < COPIED.commits
    else:
        assert all(each.place >= max(number, COPIED.commits) for each in left_out)
        assert last.place < max(number, COPIED.commits)
    assert last.place >= 10, "a copy is consistent behind its own last commit only"


def test_a_moment_behind_a_torn_log_is_refused_with_the_last_one_that_is_there() -> None:
    commits = logged(1, 2, 3)
    assert last_commit(commits, COPIED, reached(60, 9), Moment(at(2))).place == 20
    for moment in (Moment(at(7)), EVERYTHING):
        with pytest.raises(CopyFailed, match="what came behind 2026-11-29"):
            last_commit(commits, COPIED, reached(60, 9), moment)
        assert last_commit(commits, COPIED, reached(30, 3), moment).place == 30
    other = Reach(at(9), "7300000000000000001-2", 60)
    assert last_commit(commits, COPIED, other, EVERYTHING).place == 30, "another history says nothing of this one"
    assert last_commit(commits, COPIED, other, Moment(at(2))).place == 20
    with pytest.raises(CopyFailed, match="what came behind"):
        last_commit(commits, COPIED, other, Moment(at(7)))  # it may have had commits by then
    for none in ([], commits[:1]):
        with pytest.raises(CopyFailed):
            last_commit(none, COPIED, None, EVERYTHING)


def log_of(directory: Path, most_bytes: int = 1 << 30) -> ServerLog:
    place = DatabasePlace(directory, PostgresqlSettings("host=none dbname=none"))
    return ServerLog(place, ArchivePlace(directory / "archive", most_bytes), "region/sichuan")


def write(log: ServerLog, *names: str) -> None:
    directory = log.directory(HISTORY)
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).write_bytes(name.encode().ljust(SIZE, b"\0"))


def name_of(number: int) -> str:
    return f"{1:08X}{number * SIZE >> 32:08X}{number % ((1 << 32) // SIZE):08X}"


@given(st.integers(0, 2**64 - 1))
def test_a_place_is_read_as_it_was_told(place: int) -> None:
    assert place_of(told_place(place)) == place


def test_the_files_of_a_log_have_no_gap_between_two_positions_and_have_room(tmp_path: Path) -> None:
    log, start = log_of(tmp_path, 5 * SIZE), Position(HISTORY, 4094 * SIZE + 7)
    with pytest.raises(ArchiveGap, match="lacks a part of the log from 0/FFE00007"):
        log.require_whole(start, start)
    write(log, name_of(4094), name_of(4095), name_of(4096) + ".partial")
    log.require_whole(start, Position(HISTORY, 4097 * SIZE - 1))
    assert [each.number(SIZE) for each in segments(log.directory(HISTORY))] == [4094, 4095, 4096]
    with pytest.raises(ArchiveGap, match="lacks a part"):
        log.require_whole(start, Position(HISTORY, 4097 * SIZE))
    with pytest.raises(ArchiveGap, match="begins anew"):
        log.require_whole(Position("7300000000000000001-2", 7), start)
    write(log, name_of(4097), name_of(4098), name_of(4099))
    with pytest.raises(ArchiveGap, match="bytes that it may take"):
        log.require_whole(start, Position(HISTORY, 4098 * SIZE))


def test_the_patroni_example_keeps_the_slot_of_its_region() -> None:
    example = Path(__file__).parents[2] / "deploy" / "postgresql" / "patroni.yaml"
    assert f"- name: {slot_of('spiffe://crossregion.example/region/guangdong')}\n" in example.read_text("utf-8")


def test_a_file_that_has_become_whole_counts_and_what_no_copy_needs_is_removed(tmp_path: Path) -> None:
    log, target = log_of(tmp_path), tmp_path / "pg_wal"
    target.mkdir()
    write(log, name_of(1), name_of(2), name_of(3) + ".partial", name_of(3), name_of(4) + ".partial", "1.history")
    lay_out(log.directory(HISTORY), target, 2 * SIZE + 1)
    assert sorted(path.name for path in target.iterdir()) == [name_of(2), name_of(3), name_of(4)]
    assert (target / name_of(3)).read_bytes().startswith(name_of(3).encode() + b"\0")
    lay_out(tmp_path / "none", target)
    log.prune(Position(HISTORY, 3 * SIZE))
    assert {each.number(SIZE) for each in segments(log.directory(HISTORY))} == {3, 4}


def test_a_slot_has_a_name_that_postgresql_takes_and_each_member_its_own() -> None:
    names = {slot_of(f"spiffe://federation.test/region/{name}") for name in ("sichuan", "henan")}
    assert len(names) == 2
    assert all(len(name) < 64 and name.replace("_", "").isalnum() and name.islower() for name in names)
