"""The limit before which the inbox has forgotten commands lies never in the future."""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.api.region.v1.order_pb2 import OrderState
from gateway.maintenance.doctor.findings import State
from gateway.relay import inbox
from gateway.store.opening import DatabasePlace
from gateway.store.schema import migrations_of
from gateway.time.clock import to_microseconds
from region_node.cli.node.forgotten_checks import check_forgotten
from tests.unit.purging import NOW, Archive, archive

SECOND = timedelta(seconds=1)


@pytest.fixture(name="kept")
def fixture_kept() -> Iterator[Archive]:
    with archive() as kept:
        yield kept


def test_the_inbox_forgets_nothing_by_a_limit_after_the_present_time(kept: Archive) -> None:
    order_id = kept.order("old", NOW, OrderState.ORDER_STATE_COMPLETED)
    kept.received(order_id, NOW)
    rows = inbox.ids_about(kept.tx, order_id)
    with pytest.raises(ValueError, match="refuse new commands"):
        inbox.forget(kept.tx, rows, to_microseconds(NOW + SECOND), NOW)
    assert (kept.count("inbox"), inbox.forgotten_before(kept.tx)) == (1, 0)
    inbox.forget(kept.tx, rows, to_microseconds(NOW), NOW)
    assert (kept.count("inbox"), kept.count("inbox_forgotten")) == (0, 1)


def test_the_doctor_names_a_limit_in_the_future_and_is_silent_about_a_database_that_it_cannot_read(
    tmp_path: Path,
) -> None:
    place = DatabasePlace(tmp_path / "node.db")
    assert check_forgotten(place, NOW) == []
    place.migrate(migrations_of("gateway"), dry_run=False)
    assert check_forgotten(place, NOW) == []
    with sqlite3.connect(place.file) as connection:
        connection.execute("INSERT INTO inbox_forgotten (id, create_time) VALUES (1, ?)", (to_microseconds(NOW),))
    connection.close()
    assert check_forgotten(place, NOW) == []
    [found] = check_forgotten(place, NOW - SECOND)
    assert (found.state, "in the future" in found.found, "backup" in found.todo) == (State.BAD, True, True)
