"""How old the backups of a process are, by its metrics and its doctor."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Gauge, InMemoryMetricReader

from gateway.backups.history import History, observe_backups
from gateway.backups.settings import BackupSettings
from gateway.maintenance.doctor.backups import check_backups
from gateway.maintenance.doctor.findings import State
from gateway.store.opening import DatabasePlace


class SteppingClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.second = 0

    def now(self) -> datetime:
        return datetime(2026, 11, 24, 12, 0, self.second, tzinfo=UTC)


def test_a_process_whose_directory_takes_no_file_starts_and_shows_the_age_of_its_backups(tmp_path: Path) -> None:
    (tmp_path / "backups.json").mkdir()
    reader, clock = InMemoryMetricReader(), SteppingClock()
    meter, backup = MeterProvider([reader]).get_meter("test"), BackupSettings("repository", Path("password"))
    observe_backups(meter, backup, DatabasePlace(tmp_path / "node.db"), tmp_path, clock)
    clock.second = 7
    data = reader.get_metrics_data()
    assert data is not None
    gauge = data.resource_metrics[0].scope_metrics[0].metrics[0].data
    assert isinstance(gauge, Gauge)
    assert {point.value for point in gauge.data_points} == {7.0}


def test_the_doctor_names_what_was_never_made_or_is_old_and_how_to_make_it(tmp_path: Path) -> None:
    backup, now = BackupSettings("repository", Path("password")), datetime(2026, 11, 24, 12, tzinfo=UTC)
    place = DatabasePlace(tmp_path / "node.db", archive=backup.archive(tmp_path))
    assert check_backups(None, place, tmp_path, now) == []
    (never,) = check_backups(backup, place, tmp_path, now)
    assert (never.state, "never" in never.found, "backups create" in never.todo) == (State.WARNING, True, True)
    fresh = History(copy_time=now - timedelta(hours=2), archive_time=now, drill_time=now - timedelta(days=8))
    fresh.write(tmp_path)
    (found,) = check_backups(backup, place, tmp_path, now)
    assert (found.state, found.found) == (
        State.GOOD,
        "create: 120 minutes ago, archive: 0 minutes ago, drill: 11520 minutes ago",
    )
    (late,) = check_backups(backup, place, tmp_path, now + timedelta(minutes=16))
    assert (late.state, "backups archive" in late.todo) == (State.WARNING, True)
    (unarchived,) = check_backups(backup, DatabasePlace(tmp_path / "node.db"), tmp_path, now + timedelta(minutes=16))
    assert (unarchived.state, "archive" in unarchived.found) == (State.GOOD, False)
    replace(fresh, drill_time=now - timedelta(days=10)).write(tmp_path)
    assert "backups drill" in check_backups(backup, place, tmp_path, now)[0].todo
