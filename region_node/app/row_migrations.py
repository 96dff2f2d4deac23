"""Migrates rows of an earlier version: at the start, before the node serves, page by page.

These migrations need keys, so that no SQL file can make them. The process may be killed after any page: the next start
continues. Rows to migrate have their own index, which is empty afterwards, so that a start costs nothing.
"""

import logging
from functools import partial

from gateway.store.port import Store, Transaction
from region_node.app.registered import KINDS
from region_node.records.kinds import RowMigration

_PAGE = 200  # rows in one transaction
_log = logging.getLogger(__name__)


async def migrate_rows(store: Store) -> int:
    """Migrates the rows of every kind; returns their number. Raises Refused as the store does."""
    total = 0
    for table, migrate_page in [each for kind in KINDS for each in kind.row_migrations.items()]:
        migrated = 0
        while count := await store.write(partial(_page, migrate_page)):
            migrated += count
        if migrated:
            _log.warning("%d rows of %s had the form of an earlier version and are migrated", migrated, table)
        total += migrated
    return total


def _page(migrate_page: RowMigration, tx: Transaction) -> int:
    return migrate_page(tx, _PAGE)
