"""How old the backups of a process are, by its metrics."""

from datetime import UTC, datetime
from pathlib import Path

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Gauge, InMemoryMetricReader

from gateway.backups.history import observe_backups
from gateway.backups.settings import BackupSettings
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
