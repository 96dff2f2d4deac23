"""Destroying keys, so that no backup brings back what they seal."""

from collections.abc import Sequence
from datetime import datetime

from gateway import vault
from gateway.store.port import Transaction
from region_node.lifecycle.erasure.rows import mark_erased, note_erased_keys
from region_node.node.context import RegionContext


def destroy(tx: Transaction, context: RegionContext, subjects: Sequence[str], now: datetime) -> int:
    """Destroys the keys of subjects; how many there were. Their ids are on disk before, apart from the database.

    Raises Refused with STORE_UNAVAILABLE where the ids cannot be kept.
    """
    key_ids = vault.key_ids_of(tx, subjects)
    context.erased_keys.add(key_ids)
    vault.destroy(tx, subjects)
    note_erased_keys(tx, key_ids, now)
    mark_erased(tx, subjects)
    return len(key_ids)
