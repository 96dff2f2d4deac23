"""What hangs here on the number of another region's customer, once that region has erased them."""

from datetime import datetime, timedelta

from gateway.store.port import Transaction
from gateway.timers import Timer, set_timer
from region_node.customers.told_standings import OWN, erased_by
from region_node.lifecycle.erasure.destroying import destroy
from region_node.lifecycle.retention.holds import held_now
from region_node.node.context import RegionContext
from region_node.node.subjects import indexed_number_subject

NUMBER_TIMER = "number-erased"  # a hold stood against it
_LOOK_AGAIN = timedelta(days=1)


def is_erased(tx: Transaction, context: RegionContext, number: str, *homes: str) -> bool:
    """Whether the customer of a number was erased, by the region that is its home, or one of `homes` that were.

    Only these may say so.
    """
    said = {context.region if each == OWN else each for each in erased_by(tx, number)}
    return bool(said & {context.federation.number_plan.home_of(number), *homes})


def forget_number(tx: Transaction, context: RegionContext, home: str, index: str, now: datetime) -> None:
    """Destroys what hangs on the number with an index, whose customer the region `home` has erased.

    Not where the number is by now that of a customer of this region, or of another one of which something is here.
    Under a hold it is looked at again in a day. Raises Refused with STORE_UNAVAILABLE.
    """
    if not index or _is_of_another(tx, index, home):
        return
    if is_held(tx, "", index, now):
        look_again(tx, NUMBER_TIMER, f"{home} {index}", now)
        return
    destroy(tx, context, [indexed_number_subject(index)], now)


def number_is_due(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Looks again at a number on which something under a hold has hung."""
    home, _, index = timer.subject.partition(" ")
    forget_number(tx, context, home, index, now)


def is_held(tx: Transaction, subject: str, index: str, now: datetime) -> bool:
    """Whether something, or all that hangs on the number with an index, must be kept for an authority or a court."""
    held = held_now(tx, now)
    return subject in held.subjects or index in held.numbers


def look_again(tx: Transaction, kind: str, subject: str, now: datetime) -> None:
    """Has what is to be erased, and must not be yet, looked at again in a day."""
    set_timer(tx, f"{kind}/{subject}", kind=kind, subject=subject, due=now + _LOOK_AGAIN)


def _is_of_another(tx: Transaction, index: str, home: str) -> bool:
    return bool(
        tx.first(
            int,
            "SELECT 1 FROM products WHERE number = :index UNION ALL"
            " SELECT 1 FROM document_files WHERE subject = :subject AND home NOT IN ('', :home)",
            index=index,
            subject=indexed_number_subject(index),
            home=home,
        )
    )
