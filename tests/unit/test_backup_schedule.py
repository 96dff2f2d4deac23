"""When a program that makes its backups by itself makes which."""

from datetime import UTC, datetime, timedelta

from gateway.backups.history import History, Task
from gateway.backups.schedule import due

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ALL = frozenset(Task)


def ago(**parts: int) -> datetime:
    return NOW - timedelta(**parts)


def test_the_first_task_is_a_copy_and_nothing_else_comes_before_it() -> None:
    assert due(History(), {}, ALL, NOW) == Task.CREATE
    assert due(History(), {Task.CREATE: NOW}, ALL, NOW) is None


def test_each_task_is_due_when_its_interval_is_over() -> None:
    fresh = History(copy_time=ago(minutes=59), archive_time=ago(seconds=59), drill_time=ago(days=6))
    assert due(fresh, {}, ALL, NOW) is None
    assert due(fresh, {}, ALL, NOW + timedelta(minutes=1)) == Task.CREATE
    assert due(fresh, {}, ALL - {Task.CREATE}, NOW + timedelta(seconds=1)) == Task.ARCHIVE
    assert due(fresh, {}, {Task.DRILL}, NOW + timedelta(days=1)) == Task.DRILL
    assert due(fresh, {}, {Task.CREATE}, NOW + timedelta(seconds=1)) is None, "what is not wanted is never due"


def test_a_task_that_failed_rests_and_holds_up_no_other() -> None:
    history = History(copy_time=ago(hours=2))
    failures = {Task.CREATE: ago(minutes=4), Task.ARCHIVE: ago(seconds=30)}
    assert due(history, failures, ALL, NOW) == Task.DRILL
    failures[Task.DRILL] = ago(hours=5)
    assert due(history, failures, ALL, NOW) is None
    assert due(history, failures, ALL, NOW + timedelta(seconds=30)) == Task.ARCHIVE
    assert due(history, failures, ALL, NOW + timedelta(minutes=1)) == Task.CREATE


def test_a_time_of_a_clock_that_was_ahead_holds_nothing_up() -> None:
    ahead = NOW + timedelta(days=400)
    assert due(History(copy_time=ahead), {Task.CREATE: ahead}, ALL, NOW) == Task.CREATE
