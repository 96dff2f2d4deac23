"""Subscriptions as stored: the offerings that a line has, or has had (TMF637 Product)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.store.port import Transaction
from gateway.time.clock import from_microseconds, to_microseconds


@dataclass(frozen=True)
class Subscription:
    """An offering that a line has from `start_time` up to `end_time`, if that is known."""

    subscription_id: str
    product_id: str
    offering_id: str
    start_time: datetime
    end_time: datetime | None

    def runs_at(self, instant: datetime) -> bool:
        """Whether the subscription runs at an instant."""
        return self.start_time <= instant and (self.end_time is None or instant < self.end_time)


def subscriptions_of(tx: Transaction, product_id: str) -> list[Subscription]:
    """All current and former subscriptions of a line, oldest first."""
    return tx.all(
        _subscription,
        "SELECT subscription_id, product_id, offering_id, start_time, end_time FROM subscriptions"
        " WHERE product_id = :id ORDER BY start_time, subscription_id",
        id=product_id,
    )


def keep_subscription(tx: Transaction, subscription: Subscription) -> None:
    """Adds a subscription, or stores the end of an existing one."""
    end = None if subscription.end_time is None else to_microseconds(subscription.end_time)
    changed = tx.execute(
        "UPDATE subscriptions SET end_time = :end WHERE subscription_id = :id",
        end=end,
        id=subscription.subscription_id,
    )
    if not changed:
        tx.execute(
            "INSERT INTO subscriptions (subscription_id, product_id, offering_id, start_time, end_time)"
            " VALUES (:id, :product_id, :offering_id, :start, :end)",
            id=subscription.subscription_id,
            product_id=subscription.product_id,
            offering_id=subscription.offering_id,
            start=to_microseconds(subscription.start_time),
            end=end,
        )


def insert_subscriptions(tx: Transaction, subscriptions: Sequence[Subscription]) -> None:
    """Adds the missing subscriptions and leaves existing ones unchanged."""
    tx.execute_many(
        "INSERT INTO subscriptions (subscription_id, product_id, offering_id, start_time, end_time)"
        " SELECT :id, :product_id, :offering_id, :start, CAST(:end AS BIGINT)"
        " WHERE NOT EXISTS (SELECT 1 FROM subscriptions WHERE subscription_id = :id)",
        [
            {
                "id": each.subscription_id,
                "product_id": each.product_id,
                "offering_id": each.offering_id,
                "start": to_microseconds(each.start_time),
                "end": None if each.end_time is None else to_microseconds(each.end_time),
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
