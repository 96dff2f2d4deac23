"""Destroys keys so that no backup restores the data under them."""

from collections.abc import Collection, Sequence
from datetime import datetime

from gateway.store import vault
from gateway.store.port import Transaction
from region_node.customers.events import enter_status
from region_node.customers.rows import indexes_of_customer
from region_node.customers.status import ERASED
from region_node.lifecycle.customers import customer_of
from region_node.lifecycle.erasure.indexes import forget_indexes_later
from region_node.lifecycle.erasure.rows import count_scrub
from region_node.lifecycle.erasure.scrub_rows import due_scrub
from region_node.lifecycle.registry import Registry
from region_node.node.erased_key_rows import note_erased_keys
from region_node.node.rules import erasure_mark
from region_node.node.subjects import customer_subject, number_index

_CUSTOMER = customer_subject("")


def destroy(
    tx: Transaction, registry: Registry, subjects: Sequence[str], now: datetime, passed: Collection[str] = ()
) -> int:
    """Destroys the keys of subjects; returns their number. Their ids are first stored on disk, apart from the database.

    `passed` has the indexes of numbers that have passed to other regions' customers, beside those of the subjects' own.

    Raises Refused with STORE_UNAVAILABLE where the ids cannot be stored.
    """
    key_ids = vault.key_ids_of(tx, subjects)
    customers = (each.removeprefix(_CUSTOMER) for each in subjects if each.startswith(_CUSTOMER))
    remembered = [*key_ids, *(mark for each in customers if (mark := erasure_mark(each)))]
    registry.context.erased_keys.add(remembered)
    passed = passed_indexes(tx, registry, subjects) | set(passed)
    vault.destroy(tx, subjects)
    note_erased_keys(tx, remembered, now)
    if key_ids:
        scrub_after(tx, subjects)
    mark_erased(tx, registry, subjects, now, passed)
    return len(key_ids)


def scrub_after(tx: Transaction, subjects: Sequence[str]) -> None:
    """Has a scrub follow the destruction of the keys of subjects.

    An erasure whose status envelopes lose their keys by it is complete with that scrub.
    """
    count_scrub(tx, subjects, due_scrub(tx))


def passed_indexes(tx: Transaction, registry: Registry, subjects: Sequence[str]) -> set[str]:
    """The indexes of numbers of customers among subjects that have passed to other regions' customers.

    Callers use it before they destroy the keys, which open the numbers. Empty before the first configuration.
    """
    context = registry.context
    if not context.border.current.revision:
        return set()
    customers = [each.removeprefix(_CUSTOMER) for each in subjects if each.startswith(_CUSTOMER)]
    return {number_index(tx, number) for each in customers for number in customer_of(tx, context, each).passed}


def mark_erased(
    tx: Transaction, registry: Registry, subjects: Sequence[str], now: datetime, passed: Collection[str] = ()
) -> None:
    """Marks records with destroyed keys as unreadable. `passed` are the indexes of numbers as in `destroy`.

    Each kind removes its data beside sealed content: hashes, waiting codes, keyed indexes of numbers, files. The
    indexes of a customer's own lines go later.
    """
    for subject in subjects:
        word, _, name = subject.partition("/")
        numbers = [name] if word == "number" else []
        if word == "customer":
            numbers = indexes_of_customer(tx, name)
            enter_status(tx, name, ERASED, now)
            forget_indexes_later(tx, name, now)
        for kind in registry.kinds:
            if word in kind.erasure.forget:
                kind.erasure.forget[word](tx, name)
            for each in numbers:
                if each not in passed:
                    kind.erasure.forget_user(tx, each)
