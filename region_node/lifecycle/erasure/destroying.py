"""Destroys keys so that no backup restores the data under them."""

from collections.abc import Sequence
from datetime import datetime

from gateway.store import vault
from gateway.store.port import Transaction
from region_node.customers.events import enter_status
from region_node.customers.status import ERASED
from region_node.lifecycle.erasure.indexes import forget_indexes_later
from region_node.lifecycle.erasure.rows import count_scrub
from region_node.lifecycle.erasure.scrub_rows import due_scrub
from region_node.lifecycle.registry import Registry
from region_node.node.erased_key_rows import note_erased_keys
from region_node.node.rules import erasure_mark
from region_node.node.subjects import customer_subject

_CUSTOMER = customer_subject("")


def destroy(tx: Transaction, registry: Registry, subjects: Sequence[str], now: datetime) -> int:
    """Destroys the keys of subjects; returns their number. Their ids are first stored on disk, apart from the database.

    Raises Refused with STORE_UNAVAILABLE where the ids cannot be stored.
    """
    key_ids = vault.key_ids_of(tx, subjects)
    customers = (each.removeprefix(_CUSTOMER) for each in subjects if each.startswith(_CUSTOMER))
    remembered = [*key_ids, *(mark for each in customers if (mark := erasure_mark(each)))]
    registry.context.erased_keys.add(remembered)
    vault.destroy(tx, subjects)
    note_erased_keys(tx, remembered, now)
    if key_ids:
        scrub_after(tx, subjects)
    mark_erased(tx, registry, subjects, now)
    return len(key_ids)


def scrub_after(tx: Transaction, subjects: Sequence[str]) -> None:
    """Has a scrub follow the destruction of the keys of subjects.

    An erasure whose status envelopes lose their keys by it is complete with that scrub.
    """
    count_scrub(tx, subjects, due_scrub(tx))


def mark_erased(tx: Transaction, registry: Registry, subjects: Sequence[str], now: datetime) -> None:
    """Marks records with destroyed keys as unreadable.

    Each kind removes its data beside sealed content: hashes, waiting codes, keyed indexes of numbers, files. The
    indexes of a customer's own lines go later.
    """
    for subject in subjects:
        word, _, name = subject.partition("/")
        if word == "customer":
            enter_status(tx, name, ERASED, now)
            forget_indexes_later(tx, name, now)
        for kind in registry.kinds:
            if word in kind.erasure.forget:
                kind.erasure.forget[word](tx, name)
