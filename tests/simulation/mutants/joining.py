"""Defects in what several regions do together."""

from collections.abc import Collection
from datetime import datetime

import pytest

from gateway.api.region.v1.joint_order_pb2 import JointOrder
from region_node.business.joint import items, rules, saga


def commitment_without_a_reservation(patch: pytest.MonkeyPatch) -> None:
    """The leading region decides for all items as soon as one is reserved."""

    def choose(order: JointOrder, now: datetime) -> Collection[str] | None:
        is_one = any(each.state == rules.RESERVED for each in order.items)
        return {each.id for each in order.items} if is_one and order.state == saga.SURVEYING else chosen(order, now)

    chosen = saga._chosen
    patch.setattr(saga, "_chosen", choose)


def release_after_a_commitment(patch: pytest.MonkeyPatch) -> None:
    """The leading region changes its mind once an item is worked on."""

    def give_up(order: JointOrder, now: datetime) -> bool:
        is_new = advance(order, now)
        if order.state == saga.IN_PROGRESS and any(each.state == rules.IN_PROGRESS for each in order.items):
            for item in order.items:
                item.decision = saga.RELEASE
        return is_new

    advance = saga.advance
    patch.setattr(saga, "advance", give_up)


def reservation_without_an_end(patch: pytest.MonkeyPatch) -> None:
    """No timer ends a reservation."""
    patch.setattr(items, "set_timer", lambda tx, timer_id, **when: None)
