"""Subscriptions as stored: the offerings that a line has, or has had (TMF637 Product)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.store.port import Transaction
from gateway.time.clock import from_microseconds, to_microseconds


@dataclass(frozen=True)
class Subscription:
    """An offering that a line has from `start_date` up to `end_date`, if that is known."""

    subscription_id: str
    product_id: str
    offering_id: str
    start_date: datetime
    end_date: datetime | None

    def runs_at(self, instant: datetime) -> bool:
        """Whether the line has it then."""
        return self.start_date <= instant and (self.end_date is None or instant < self.end_date)


def subscriptions_of(tx: Transaction, product_id: str) -> list[Subscription]:
    """All that a line has or has had, oldest first."""
    return tx.all(
        _subscription,
        "SELECT subscription_id, product_id, offering_id, start_date, end_date FROM subscriptions"
        " WHERE product_id = :id ORDER BY start_date, subscription_id",
        id=product_id,
    )


def keep_subscription(tx: Transaction, subscription: Subscription) -> None:
    """Adds a subscription, or stores the end of one that is there."""
    end = None if subscription.end_date is None else to_microseconds(subscription.end_date)
    changed = tx.execute(
        "UPDATE subscriptions SET end_date = :end WHERE subscription_id = :id",
        end=end,
        id=subscription.subscription_id,
    )
    if not changed:
        tx.execute(
            "INSERT INTO subscriptions (subscription_id, product_id, offering_id, start_date, end_date)"
            " VALUES (:id, :product_id, :offering_id, :start, :end)",
            id=subscription.subscription_id,
            product_id=subscription.product_id,
            offering_id=subscription.offering_id,
            start=to_microseconds(subscription.start_date),
            end=end,
        )


def insert_subscriptions(tx: Transaction, subscriptions: Sequence[Subscription]) -> None:
    """Adds those of the subscriptions that are not there; one that is there is left as it is."""
    tx.execute_many(
        "INSERT INTO subscriptions (subscription_id, product_id, offering_id, start_date, end_date)"
        " SELECT :id, :product_id, :offering_id, :start, CAST(:end AS BIGINT)"
        " WHERE NOT EXISTS (SELECT 1 FROM subscriptions WHERE subscription_id = :id)",
        [
            {
                "id": each.subscription_id,
                "product_id": each.product_id,
                "offering_id": each.offering_id,
                "start": to_microseconds(each.start_date),
                "end": None if each.end_date is None else to_microseconds(each.end_date),
            }
            for each in subscriptions
        ],
    )


def _subscription(subscription_id: str, product_id: str, offering_id: str, start: int, end: int | None) -> Subscription:
    return Subscription(
        subscription_id,
        product_id,
        offering_id,
        from_microseconds(start),
        None if end is None else from_microseconds(end),
    )
