"""Faults of before a move that were repaired late: the new home gives back its rent at the word of the old one."""

import logging
from datetime import datetime

from gateway.api.region.v1.fault_envelopes_pb2 import FaultMoved, FaultWaived
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused, reason_name
from gateway.relay.border import Command, Kinds
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.care.issues.of_moved_faults import open_refused_rent
from region_node.customers.moved_numbers import is_awaited
from region_node.customers.rows import line_of
from region_node.lifecycle.moving import rules
from region_node.lifecycle.moving.rows import find_move
from region_node.network.faults import moved, notices, regional
from region_node.node.context import RegionContext
from region_node.node.payloads import parse, received

_log = logging.getLogger(__name__)


class MovedFaultEnvelopes:
    """The kind of envelope about a late repair after the move of the customer."""

    def __init__(self, context: RegionContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """The handler here, and that of its receipt."""
        return {
            EnvelopeKind.ENVELOPE_KIND_FAULT_MOVED: Command(
                self._told, self._answered, act_again=self._told_again, is_named_by_id=True
            )
        }

    def _told(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        return self._give_rest(tx, content, None, now)

    def _told_again(self, tx: Transaction, content: EnvelopeContent, first: ReceiptContent, now: datetime) -> Answer:
        return self._give_rest(tx, content, parse(FaultWaived, first.result), now)

    def _give_rest(
        self, tx: Transaction, content: EnvelopeContent, signed: FaultWaived | None, now: datetime
    ) -> Answer:
        """The old home may say it of the customers whom it has handed over to this region.

        Raises Refused with ENVELOPE_KIND_NOT_ALLOWED, ENVELOPE_INVALID, MOVE_NOT_FOUND, CONFIGURATION_MISSING, and with
        HAND_OVER_AWAITED where this region has lost the customer with a newer database. Of what it has lost, `signed`
        was the answer.
        """
        told, context = received(FaultMoved, content.payload), self._context
        context.border.require_known_revision(content)
        if told.move_id != content.subject or not told.move_id.startswith(f"{content.origin}/"):
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        move = find_move(tx, told.move_id)
        if move is None and is_awaited(tx, context.federation, context.region, told.number):
            raise Refused(Reason.REASON_HAND_OVER_AWAITED)
        line = line_of(tx, rules.line_at_new_home(told.move_id, told.line))
        if move is None or move.state != rules.TAKEN_OVER or line is None:
            raise Refused(Reason.REASON_MOVE_NOT_FOUND, move=told.move_id)
        if told.number not in [each.number for each in move.lines]:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        moved.require_told(tx, context, told, line, now)
        waived = moved.give_rest(tx, context, line, told, content, now, signed)
        return Answer(Outcome.OUTCOME_ACCEPTED, result=waived.SerializeToString())

    def _answered(self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime) -> None:
        """The old home owes the new one the rent that this one has given back, where it said so.

        Where the new home refuses, the old one tells the customer of its own part; the rest is an issue of both homes.
        What the new home claims too much stays a difference of the reconciliation. Raises RevisionAwaited for a claim
        by a later configuration, which may have a dearer plan.
        """
        told, context, there = parse(FaultMoved, content.payload), self._context, content.destination
        if receipt.outcome != Outcome.OUTCOME_ACCEPTED:
            reason = reason_name(receipt.reason)  # its parameters may tell of a person
            self._note(tx, "RentRefused", told, f"{there}: {reason}", now)
            # Other refusals are of a customer who is gone, or of an outage of which the new home may have told before.
            if receipt.reason == Reason.REASON_ENVELOPE_INVALID:
                notices.tell_waived_in_parts(tx, told, 0, context, context.region, now)
                open_refused_rent(tx, context, told, content, reason, now)
            return
        if not regional.owe_moved(tx, context, told, parse(FaultWaived, receipt.result), there, now):
            context.border.await_revision_of(receipt)
            self._note(tx, "RentClaimRefused", told, there, now)

    def _note(self, tx: Transaction, action: str, told: FaultMoved, detail: str, now: datetime) -> None:
        actor, detail = f"region/{self._context.region}", f"outage {told.outage}, {detail}"
        audit.append(tx, now=now, actor=actor, action=action, subject=told.fault_id, detail=detail)
        _log.error("%s: %s, %s", action, told.fault_id, detail)
