"""When a program that makes its backups by itself makes which."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.backups.history import History, Task
from gateway.backups.schedule import due

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ALL = frozenset(Task)


def ago(**parts: int) -> datetime:
    return NOW - timedelta(**parts)


def test_the_first_task_is_a_copy_and_nothing_else_comes_before_it() -> None:
    assert due(History(), {}, {}, ALL, NOW) == Task.CREATE
    assert due(History(), {Task.CREATE: NOW}, {}, ALL, NOW) is None


def test_each_task_is_due_when_its_interval_is_over() -> None:
    fresh = History(copy_time=ago(minutes=59), archive_time=ago(seconds=59), drill_time=ago(days=6))
    assert due(fresh, {}, {}, ALL, NOW) is None
    assert due(fresh, {}, {}, ALL - {Task.ARCHIVE}, NOW + timedelta(minutes=1)) == Task.CREATE
    assert due(fresh, {}, {}, ALL - {Task.CREATE}, NOW + timedelta(seconds=1)) == Task.ARCHIVE
    assert due(fresh, {}, {}, {Task.DRILL}, NOW + timedelta(days=1)) == Task.DRILL
    assert due(fresh, {}, {}, {Task.CREATE}, NOW + timedelta(seconds=1)) is None, "what is not wanted is never due"


def test_a_task_that_failed_rests_and_holds_up_no_other() -> None:
    history = History(copy_time=ago(hours=2))
    failures = {Task.CREATE: ago(minutes=4), Task.ARCHIVE: ago(seconds=30)}
    assert due(history, failures, {}, ALL, NOW) == Task.DRILL
    failures[Task.DRILL] = ago(hours=5)
    assert due(history, failures, {}, ALL, NOW) is None
    assert due(history, failures, {}, ALL, NOW + timedelta(seconds=30)) == Task.ARCHIVE
    assert due(history, failures, {}, {Task.CREATE}, NOW + timedelta(minutes=1)) == Task.CREATE


def test_the_task_that_is_most_overdue_by_its_interval_is_the_first_and_none_waits_for_ever() -> None:
    slow = History(copy_time=ago(minutes=90), archive_time=ago(minutes=2), drill_time=ago(days=8))
    assert due(slow, {}, {}, ALL, NOW) == Task.ARCHIVE
    assert due(slow, {}, {}, ALL - {Task.ARCHIVE}, NOW) == Task.CREATE
    late = History(copy_time=ago(minutes=61), archive_time=ago(seconds=61), drill_time=ago(days=14))
    assert due(late, {}, {}, ALL, NOW) == Task.DRILL


def test_a_task_of_this_process_is_begun_again_after_its_interval_whatever_a_clock_says() -> None:
    behind = ago(days=400)
    for told in (NOW + timedelta(days=400), behind):
        history = History(copy_time=told, archive_time=told)
        wanted = {Task.CREATE, Task.ARCHIVE}
        ended = {Task.CREATE: timedelta(minutes=59), Task.ARCHIVE: timedelta(seconds=59)}
        assert due(history, {}, ended, wanted, NOW) is None
        assert due(history, {}, ended | {Task.CREATE: timedelta(hours=1)}, wanted, NOW) == Task.CREATE


def test_the_next_process_knows_the_failures_of_the_one_before(tmp_path: Path) -> None:
    failures = {Task.DRILL: NOW, Task.CREATE: ago(minutes=1)}
    History(copy_time=NOW).with_tried(failures).write(tmp_path)
    history = History.read(tmp_path)
    assert (history.tried, history.copy_time) == (failures, NOW)
    assert due(history, history.tried, {}, {Task.DRILL}, NOW + timedelta(hours=5)) is None
    assert History.read(tmp_path).with_tried({}).tried == {}


def test_a_time_of_a_clock_that_was_ahead_holds_nothing_up() -> None:
    ahead = NOW + timedelta(days=400)
    assert due(History(copy_time=ahead), {Task.CREATE: ahead}, {}, ALL, NOW) == Task.CREATE
