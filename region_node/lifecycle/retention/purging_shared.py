"""Purges what regions share: disclosures, the register of documents and their content."""

from dataclasses import dataclass

from gateway.api.region.v1.document_service_pb2 import DocumentUpload
from gateway.clock import from_timestamp, to_microseconds
from gateway.store.port import Transaction
from gateway.vault import KeyDestroyed
from region_node.customers.documents.files import RECEIVING, find_file, remove_file
from region_node.lifecycle.retention.port import Cut, Page, place_of


@dataclass(frozen=True)
class _Shared:
    key: str
    owner: str
    time: int


class Disclosures:
    """Who was told what of a customer."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger. A place is the number of the last disclosure that was looked at."""
        found = tx.all(
            _Shared,
            "SELECT sequence, customer_id, time FROM disclosures WHERE time < :before AND sequence > :after"
            " ORDER BY sequence LIMIT :limit",
            before=cut.before,
            after=int(place or 0),
            limit=cut.limit,
        )
        gone = [each for each in found if each.owner not in cut.held.customers]
        tx.execute_many(
            "DELETE FROM disclosures WHERE sequence = :sequence", [{"sequence": int(each.key)} for each in gone]
        )
        return Page(len(gone), len(found) - len(gone), str(found[-1].key) if len(found) == cut.limit else "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(int, "SELECT time FROM disclosures ORDER BY sequence LIMIT 1")


# What a document has ended by: it was found false, it has expired, or it is as old as its verification. For its content
# the same holds: what it names as its end is sealed.
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
            " UNION ALL SELECT MIN(create_time) FROM document_files WHERE docket = '') AS both_tables"
            " WHERE time IS NOT NULL ORDER BY time LIMIT 1",
        )

    def _register(self, tx: Transaction, cut: Cut, place: str) -> Page:
        instant, key = place_of(place)
        found = tx.all(
            _Shared,
            f"SELECT register_id, customer_id, {_ENDED} FROM documents WHERE {_ENDED} < :before"  # noqa: S608
            f" AND ({_ENDED}, register_id) > (:after, :key) ORDER BY {_ENDED}, register_id LIMIT :limit",
            before=cut.before,
            after=instant,
            key=key,
            limit=cut.limit,
        )
        gone = [each for each in found if each.owner not in cut.held.customers]
        tx.execute_many("DELETE FROM documents WHERE register_id = :id", [{"id": each.key} for each in gone])
        last = found[-1] if len(found) == cut.limit else None
        return Page(
            len(gone), len(found) - len(gone), f"register {last.time} {last.key}" if last is not None else "files "
        )

    def _files(self, tx: Transaction, cut: Cut, place: str) -> Page:
        instant, key = place_of(place)
        found = tx.all(
            _Shared,
            "SELECT register_id, number_hash, create_time FROM document_files WHERE create_time < :before"
            " AND (withdraw_time IS NULL OR withdraw_time < :before)"
            " AND docket = '' AND state <> :receiving AND (create_time, register_id) > (:after, :key)"
            " ORDER BY create_time, register_id LIMIT :limit",
            before=cut.before,
            receiving=RECEIVING,
            after=instant,
            key=key,
            limit=cut.limit,
        )
        ended = [each for each in found if _has_expired(tx, each.key, cut.before)]
        gone = [each for each in ended if each.owner not in cut.held.numbers]
        for each in gone:
            remove_file(tx, each.key)
        last = found[-1] if len(found) == cut.limit else None
        return Page(len(gone), len(ended) - len(gone), f"files {last.time} {last.key}" if last is not None else "")


def _has_expired(tx: Transaction, register_id: str, before: int) -> bool:
    """Whether a document that was verified long ago had expired before an instant, too, or was withdrawn."""
    file = find_file(tx, register_id)
    if file is None or file.withdraw_time is not None:
        return True
    try:
        named = DocumentUpload.FromString(file.opened_name(tx))
    except KeyDestroyed:
        return True  # nobody can read it any more
    return not named.HasField("expire_time") or to_microseconds(from_timestamp(named.expire_time)) < before


class Uploads:
    """Removed by a timer of their own, a day after they began; the report says what is still there."""

    def page(self, tx: Transaction, cut: Cut, place: str) -> Page:
        """See Purger."""
        return Page(0, 0, "")

    def oldest(self, tx: Transaction) -> int | None:
        """See Purger."""
        return tx.first(
            int,
            "SELECT create_time FROM document_files WHERE state = :receiving ORDER BY create_time LIMIT 1",
            receiving=RECEIVING,
        )
