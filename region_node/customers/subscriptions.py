"""Subscriptions as stored: the offerings that a line has, or has had (TMF637 Product)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from gateway.store.port import Transaction
from gateway.store.tables import Table
from gateway.time.clock import from_microseconds, instant_or_none, microseconds_or_none, to_microseconds


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


class _AtRest(NamedTuple):
    subscription_id: str
    product_id: str
    offering_id: str
    start_time: int
    end_time: int | None


_SUBSCRIPTIONS = Table("subscriptions", _AtRest, key=("subscription_id",))


def subscriptions_of(tx: Transaction, product_id: str) -> list[Subscription]:
    """All current and former subscriptions of a line, oldest first."""
    found = tx.find_all(_SUBSCRIPTIONS, product_id=product_id)
    return [_subscription(each) for each in sorted(found, key=lambda row: (row.start_time, row.subscription_id))]


def keep_subscription(tx: Transaction, subscription: Subscription) -> None:
    """Stores a new subscription, or one with another end."""
    tx.keep(_SUBSCRIPTIONS, _at_rest(subscription))


def insert_subscriptions(tx: Transaction, subscriptions: Sequence[Subscription]) -> None:
    """Adds the missing subscriptions and leaves existing ones unchanged."""
    tx.execute_many(
        "INSERT INTO subscriptions (subscription_id, product_id, offering_id, start_time, end_time)"
        " SELECT :subscription_id, :product_id, :offering_id, :start_time, CAST(:end_time AS BIGINT)"
        " WHERE NOT EXISTS (SELECT 1 FROM subscriptions WHERE subscription_id = :subscription_id)",
        [_at_rest(each)._asdict() for each in subscriptions],
    )


def _at_rest(subscription: Subscription) -> _AtRest:
    start, end = subscription.start_time, subscription.end_time
    return _AtRest(
        subscription.subscription_id,
        subscription.product_id,
        subscription.offering_id,
        to_microseconds(start),
        microseconds_or_none(end),
    )


def _subscription(row: _AtRest) -> Subscription:
    return Subscription(
        row.subscription_id,
        row.product_id,
        row.offering_id,
        from_microseconds(row.start_time),
        instant_or_none(row.end_time),
    )
