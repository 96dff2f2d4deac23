"""Seals rows of a version without sealing: at the start, before the node serves, page by page.

The process may be killed after any page: the next start continues. Unsealed rows have their own index, which is empty
afterwards, so that a start costs nothing.
"""

import logging
from functools import partial

from gateway.store.port import Store, Transaction
from region_node.app.registered import KINDS
from region_node.records.kinds import SealClear

_PAGE = 200  # rows in one transaction
_log = logging.getLogger(__name__)


async def seal_what_is_clear(store: Store) -> int:
    """Seals every unsealed row; returns their number. Raises Refused as the store does."""
    total = 0
    for table, seal_page in [each for kind in KINDS for each in kind.seal_clear.items()]:
        sealed = 0
        while count := await store.write(partial(_page, seal_page)):
            sealed += count
        if sealed:
            _log.warning("%d rows of %s were in the clear and are sealed now", sealed, table)
        total += sealed
    return total


def _page(seal_page: SealClear, tx: Transaction) -> int:
    return seal_page(tx, _PAGE)
