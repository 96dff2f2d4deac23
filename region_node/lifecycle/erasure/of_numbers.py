"""Data here about the number of another region's customer, after that region has erased the customer."""

from datetime import datetime, timedelta

from gateway.store.port import Transaction
from gateway.store.timers import Timer, set_timer
from region_node.lifecycle.erasure.destroying import destroy
from region_node.lifecycle.holds.operations import held_now
from region_node.lifecycle.registry import Registry
from region_node.node.subjects import indexed_number_subject

NUMBER_TIMER = "number-erased"  # a hold prevented it
_LOOK_AGAIN = timedelta(days=1)


def forget_number(tx: Transaction, registry: Registry, home: str, index: str, now: datetime) -> int:
    """Destroys the data of the number with an index, whose customer the region `home` has erased.

    Returns how many keys were destroyed.

    Not where the number now belongs to a customer of this region, or to another one with data here. A held number is
    checked again in a day. Raises Refused with STORE_UNAVAILABLE.
    """
    if not index or any(kind.erasure.is_of_another(tx, index, home) for kind in registry.kinds):
        return 0
    if is_held(tx, registry, "", index, now):
        look_again(tx, NUMBER_TIMER, f"{home} {index}", now)
        return 0
    # A number of an own customer comes here only if it has passed to another region's.
    passed = (index,) if home == registry.context.region else ()
    return destroy(tx, registry, [indexed_number_subject(index)], now, passed)


def number_is_due(tx: Transaction, registry: Registry, timer: Timer, now: datetime) -> None:
    """Checks a number with held data again."""
    home, _, index = timer.subject.partition(" ")
    forget_number(tx, registry, home, index, now)


def is_held(tx: Transaction, registry: Registry, subject: str, index: str, now: datetime) -> bool:
    """Whether a subject, or all data of the number with an index, is under a legal hold."""
    held = held_now(tx, registry.kinds, now)
    return subject in held.subjects or index in held.numbers


def look_again(tx: Transaction, kind: str, subject: str, now: datetime) -> None:
    """Schedules another check of a held erasure in a day."""
    set_timer(tx, f"{kind}/{subject}", kind=kind, subject=subject, due=now + _LOOK_AGAIN)
