"""Files as they are stored: those of documents and of complaints, in a database of before complaints had any."""

import contextlib
import sqlite3

from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteTransaction
from gateway.store.sqlite_schema import apply
from region_node.customers.documents.files import REGISTERED, find_file, find_upload
from tests.keys import region_keys


def test_a_document_of_a_database_of_before_is_one_still_and_no_attachment() -> None:
    migrations = migrations_of("gateway", "region_node")
    before = [each for each in migrations if each.package == "gateway" or each.name < "0024"]
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        apply(connection, before)
        connection.execute(
            "INSERT INTO document_files (register_id, subject, number_hash, named, named_hash, size, received, state,"
            " home, reason, parameters, withdraw_time, create_time)"
            " VALUES ('henan/counter/1', 'customer/c1', '', X'00', '', 1, 1, ?, 'henan', 0, '', NULL, 0)",
            (REGISTERED,),
        )
        apply(connection, migrations)
        tx = SqliteTransaction(connection, region_keys())
        found = find_file(tx, "henan/counter/1")
        assert found is not None
        assert (found.ticket_id, found.state) == ("", REGISTERED)
        assert find_file(tx, "henan/counter/1", "guangdong/20260101-1") is None
        assert find_upload(tx, "henan/counter/1") == found
