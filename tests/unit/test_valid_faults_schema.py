"""Faults of a database of the version before count as before, and that version still writes behind the change."""

import sqlite3
from contextlib import closing

from gateway.api.region.v1.fault_pb2 import FaultState
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteTransaction
from gateway.store.sqlite_schema import apply
from region_node.network.faults.rows import repair_times

FILE = "0116_valid_faults.sql"
FAULT_AS_BEFORE = (
    "INSERT INTO faults (fault_id, fault_number, origin_region, owner_region, home_region, operator, number_index,"
    " severity, state, version, create_time, problem_id, traceparent, body)"
    " VALUES (?, ?, 'sichuan', 'sichuan', '', 'counter', '', 1, ?, 1, 0, '', '', X'00')"
)
EVENT = "INSERT INTO fault_events (sequence, fault_id, version, state, time) VALUES (?, ?, 1, ?, ?)"
RESOLVED = int(FaultState.FAULT_STATE_RESOLVED)


def test_faults_of_the_version_before_have_repair_times_and_it_goes_on_writing() -> None:
    migrations = migrations_of("gateway", "region_node")
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:

        def repaired(number: int, hours: int) -> None:
            connection.execute(FAULT_AS_BEFORE, (f"sichuan/fault-{number}", number, RESOLVED))
            connection.execute(EVENT, (number, f"sichuan/fault-{number}", RESOLVED, hours))

        apply(connection, [each for each in migrations if each.package != "region_node" or each.name < FILE])
        repaired(1, 7)
        apply(connection, migrations)
        repaired(2, 9)
        tx = SqliteTransaction(connection, RegionKeys(KeySet.new()))
        assert repair_times(tx, ["sichuan"], 0, 1) == {"sichuan": [7, 9]}
        connection.execute("UPDATE faults SET is_beyond_network = 1 WHERE fault_number = 1")
        assert repair_times(tx, ["sichuan"], 0, 1) == {"sichuan": [9]}
