"""Defects in moves of customers to another home region."""

from datetime import datetime

import pytest

from gateway.api.region.v1.customer_move_pb2 import CustomerHandOver, CustomerMove
from gateway.store.port import Transaction
from region_node.customers import status
from region_node.lifecycle.moving import operations, rules
from region_node.lifecycle.moving.recovering import LostCustomers
from region_node.lifecycle.moving.relayed import MoveEnvelopes
from region_node.lifecycle.moving.restored import RestoredCustomers
from region_node.lifecycle.moving.rows import keep_move
from region_node.network.faults import moved, regional


def double_move(patch: pytest.MonkeyPatch) -> None:
    """A move can be cancelled while the hand-over is on its way: the customer is active here, and moves once more."""

    def cancel_confirmed(tx: Transaction, move_id: str, now: datetime) -> CustomerMove:
        move = operations.require_move(tx, move_id)
        if move.state != rules.MOVING:
            return cancel(tx, move_id, now)
        move.state = rules.CANCELLED
        status.keep_status(tx, move.customer_id, status.ACTIVE)
        keep_move(tx, move, move.customer_id)
        return move

    cancel = operations.cancel
    patch.setattr(operations, "cancel", cancel_confirmed)


def customer_kept_after_the_hand_over(patch: pytest.MonkeyPatch) -> None:
    """The old home books the balance out, closes the line, and goes on to serve the customer."""

    def give_up(self: MoveEnvelopes, tx: Transaction, told: CustomerHandOver, now: datetime) -> None:
        given_up(self, tx, told, now)
        status.keep_status(tx, told.move.customer_id, status.ACTIVE)

    given_up = MoveEnvelopes._give_up
    patch.setattr(MoveEnvelopes, "_give_up", give_up)


def balance_handed_over_and_kept(patch: pytest.MonkeyPatch) -> None:
    """The old home does not book out the balance that the new home has booked in."""
    patch.setattr(MoveEnvelopes, "_close_account", lambda self, tx, move, line, amount, now: None)


def rent_of_a_move_not_owed(patch: pytest.MonkeyPatch) -> None:
    """The old home believes what the new one has given back for a fault of before the move, and books nothing."""
    patch.setattr(regional, "owe_moved", lambda tx, context, told, waived, region, now: True)


def whole_outage_given_back_at_both_homes(patch: pytest.MonkeyPatch) -> None:
    """The old home gives back the rent of the whole outage, and the new one that since the move."""
    patch.setattr(moved, "until_move", lambda span, gone: span)


def restored_database_believed(patch: pytest.MonkeyPatch) -> None:
    """A region that starts with an older database serves all customers that it has."""

    async def check_nothing(self: RestoredCustomers) -> None:
        return None

    patch.setattr(RestoredCustomers, "check", check_nothing)


def lost_customer_not_asked_for(patch: pytest.MonkeyPatch) -> None:
    """A new home that starts with a database of before the move serves its number as free."""

    async def recover_nobody(self: LostCustomers) -> bool:
        return True

    patch.setattr(LostCustomers, "recover", recover_nobody)
