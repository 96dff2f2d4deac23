"""Seals and opens beside the running processes, by a region's own keys, as its node does."""

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.security.region_keys import KeySet, RegionKeys
from gateway.store import vault
from gateway.store.opening import DatabasePlace
from gateway.store.port import Transaction
from gateway.store.postgresql_connecting import connect
from gateway.store.postgresql_connection import PostgresqlTransaction
from gateway.store.sqlite import SqliteTransaction
from region_node.node.subjects import number_subject

_PLACE = "test"  # where nothing of the node itself is sealed


@dataclass(frozen=True)
class Sealing:
    """A region's database and its file of keys."""

    place: DatabasePlace
    keys: Path

    def seal(self, subject: str, content: bytes) -> bytes:
        """Content under the key of a subject."""
        return self.seal_all([subject], content)[subject]

    def seal_all(self, subjects: Sequence[str], content: bytes) -> Mapping[str, bytes]:
        """Content under the key of each subject."""
        with self.transaction() as tx:
            return {subject: vault.seal(tx, subject, _PLACE, content) for subject in subjects}

    def opens(self, subject: str, sealed: bytes) -> bool:
        """Whether sealed bytes can still be read."""
        with self.transaction() as tx:
            try:
                vault.open_sealed(tx, subject, _PLACE, sealed)
            except vault.KeyDestroyed:
                return False
            return True

    def content_of(self, sealed: Mapping[str, bytes]) -> set[bytes]:
        """The content of sealed bytes, by their subjects. Raises KeyDestroyed or SealBroken."""
        with self.transaction() as tx:
            return {vault.open_sealed(tx, subject, _PLACE, each) for subject, each in sealed.items()}

    def wrapped(self) -> Mapping[str, int]:
        """How many keys each of the region's keys wraps."""
        with self.transaction() as tx:
            return vault.count_wrapped(tx)

    def number_subject(self, number: str) -> str:
        """The subject of what hangs on a number."""
        with self.transaction() as tx:
            return number_subject(tx, number)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction that writes, beside those of the node."""
        keys = RegionKeys(KeySet.load(self.keys))
        if self.place.postgresql is None:
            with contextlib.closing(sqlite3.connect(self.place.file, isolation_level=None, timeout=10)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                yield SqliteTransaction(connection, keys)
                connection.execute("COMMIT")
            return
        with connect(self.place.postgresql.conninfo, "crossregion-test") as connection:
            connection.execute("BEGIN")
            yield PostgresqlTransaction(connection, keys)
            connection.execute("COMMIT")
