"""Purges the register of documents and their content."""

from dataclasses import dataclass

from gateway.api.region.v1.document_service_pb2 import DocumentUpload
from gateway.store.port import Transaction
from gateway.store.vault import KeyDestroyed
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.customers.documents.files import RECEIVING, find_file, remove_file
from region_node.records.purging.aged import aged
from region_node.records.purging.port import Cut, Page


@dataclass(frozen=True)
class _Shared:
    key: str
    time: int
    owner: str


# The end of a document: its withdrawal, its expiry, or else its verification. The same holds for its content, whose own
# end is sealed.
_ENDED = "COALESCE(withdraw_time, expire_time, verify_time)"


class Documents:
    """The register's rows of documents that have ended, then the content that was verified here."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. A place is the table, the instant and the id of the last document that was looked at."""
        if place.startswith("files "):
            return self._files(tx, cut, place.removeprefix("files "))
        return self._register(tx, cut, place.removeprefix("register "))

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(
            int,
            f"SELECT time FROM (SELECT MIN({_ENDED}) AS time FROM documents"  # noqa: S608 - a name of this module
            " UNION ALL SELECT MIN(create_time) FROM document_files WHERE ticket_id = '') AS both_tables"
            " WHERE time IS NOT NULL ORDER BY time LIMIT 1",
        )

    def _register(self, tx: Transaction, cut: Cut, place: str) -> Page:
        select = f"SELECT document_id, {_ENDED}, customer_id FROM documents"  # noqa: S608 - names of this module
        found = aged(tx, _Shared, select, cut, place, time=_ENDED, key="document_id")
        gone = [each for each in found.rows if each.owner not in cut.held.customers]
        tx.execute_many("DELETE FROM documents WHERE document_id = :id", [{"id": each.key} for each in gone])
        place = f"register {found.behind}" if found.behind else "files "
        return Page(len(gone), len(found.rows) - len(gone), place)

    def _files(self, tx: Transaction, cut: Cut, place: str) -> Page:
        found = aged(
            tx,
            _Shared,
            "SELECT document_id, create_time, number_hash FROM document_files",
            cut,
            place,
            time="create_time",
            key="document_id",
            where="(withdraw_time IS NULL OR withdraw_time < :before) AND ticket_id = '' AND state <> :receiving",
            receiving=RECEIVING,
        )
        ended = [each for each in found.rows if _has_expired(tx, each.key, cut.before)]
        gone = [each for each in ended if each.owner not in cut.held.numbers]
        for each in gone:
            remove_file(tx, each.key)
        return Page(len(gone), len(ended) - len(gone), f"files {found.behind}" if found.behind else "")


def _has_expired(tx: Transaction, document_id: str, before: int) -> bool:
    """Whether a document that was verified long ago had expired before an instant, too, or was withdrawn."""
    file = find_file(tx, document_id)
    if file is None or file.withdraw_time is not None:
        return True
    try:
        named = DocumentUpload.FromString(file.opened_name(tx))
    except KeyDestroyed:
        return True  # its content is unreadable already
    return not named.HasField("expire_time") or to_microseconds(from_timestamp(named.expire_time)) < before


class Uploads:
    """A timer of each upload removes it a day after its start; the report lists the remaining ones."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger."""
        return Page(0, 0, "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(
            int,
            f"SELECT create_time FROM document_files WHERE state = {RECEIVING} ORDER BY create_time LIMIT 1",  # noqa: S608
        )
