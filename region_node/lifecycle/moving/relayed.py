"""The hand-over of a customer: the new home takes it, and the old home gives it up at the receipt."""

from datetime import datetime

from gateway.api.region.v1.customer_move_pb2 import CustomerHandOver, CustomerMove
from gateway.api.region.v1.document_envelopes_pb2 import DocumentHome
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.relay.border import Command, Kinds
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp, to_microseconds, to_timestamp
from region_node.business.billing.charging import final_charges
from region_node.care.complaints import moved as complaints
from region_node.care.surveys.moving import end_follow_ups
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import payable
from region_node.customers.documents import moved as documents
from region_node.customers.events import enter_status
from region_node.customers.moved_lines import MovedLine, note_moved_line
from region_node.customers.moved_numbers import note_homes
from region_node.customers.operations import keep_line
from region_node.customers.rows import Line, give_up_number, line_of
from region_node.customers.status import ACTIVE, MOVED
from region_node.customers.taking_over import NewCustomer
from region_node.lifecycle.moving import rules
from region_node.lifecycle.moving.books import book_moved, book_rest, note_moved
from region_node.lifecycle.moving.port import MoveEnded
from region_node.lifecycle.moving.rows import customer_here, find_move, keep_move
from region_node.lifecycle.moving.taking_over import require_handed_over, take_over
from region_node.network.agreements import moved as agreements
from region_node.node.context import RegionContext
from region_node.node.payloads import parse, received
from region_node.node.subjects import number_index


class MoveEnvelopes:
    """The kind of envelope that makes another region the home of a customer."""

    def __init__(self, context: RegionContext, *, is_asked: bool = False) -> None:
        """`is_asked` is for a hand-over that this region has asked for, because it may have lost the customer."""
        self._context = context
        self._is_asked = is_asked

    def kinds(self) -> Kinds:
        """The handler here, and that of its receipt."""
        kind = EnvelopeKind.ENVELOPE_KIND_CUSTOMER_HAND_OVER
        # Repeatable: a refusal for an inbox that has forgotten it would make the old home the home a second time.
        # So would one for a repeat with other balances by an old home that has lost the first: the move is the same.
        return {kind: Command(self._handed_over, self._answered, is_repeatable=True, is_named_by_id=True)}

    def require_acceptable(
        self, tx: Transaction, content: EnvelopeContent, now: datetime
    ) -> tuple[CustomerHandOver, list[NewCustomer]]:
        """A hand-over with its lines, none of which where it was taken before. Raises Refused where it is not valid."""
        told = received(CustomerHandOver, content.payload)
        self._context.border.require_known_revision(content)
        move, parties = told.move, (content.origin, self._context.region)
        if move.id != content.subject or not move.id.startswith(f"{content.origin}/"):
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        if (move.from_region, move.to_region) != parties or move.state != rules.MOVING:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        if customer_here(tx, move.id) is not None:
            return told, []
        return told, require_handed_over(tx, self._context, told, content.origin, now, is_asked=self._is_asked)

    def _handed_over(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        told, new = self.require_acceptable(tx, content, now)
        if new:
            take_over(tx, self._context, told, new, now)
            tx.publish(MoveEnded())
        failpoints.reach("customer-taken-over.before-commit")
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _answered(self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime) -> None:
        """The old home gives the customer up, or has it back where the new home has refused it for good."""
        move = find_move(tx, content.subject)
        if move is None or move.state != rules.MOVING:
            return
        move.change_time.CopyFrom(to_timestamp(now))
        if receipt.outcome == Outcome.OUTCOME_ACCEPTED:
            rules.enter(move, rules.MOVED)
            self._give_up(tx, parse(CustomerHandOver, content.payload), now)
        else:
            rules.enter(move, rules.REFUSED)
            move.reason = receipt.reason
            enter_status(tx, move.customer_id, ACTIVE, now)
        keep_move(tx, move, move.customer_id)
        tx.publish(MoveEnded())
        failpoints.reach("customer-handed-over.before-commit")

    def _give_up(self, tx: Transaction, told: CustomerHandOver, now: datetime) -> None:
        """Charges what was due at the confirmation, hands the balances over, and forwards from now on."""
        move, closed, moment = told.move, set[str](), from_timestamp(told.move.change_time)
        for each in told.customers:
            agreements.give_up(tx, self._context, each.product.id, moment, now)
        for each in told.customers:
            line, amount = line_of(tx, each.product.id), each.billing_account.balance.minor_units
            if line is None:
                raise ValueError(f"move {move.id} has lost a line")
            if line.account_id not in closed:
                closed.add(line.account_id)
                self._close_account(tx, move, line, amount, now)
        handed_over = sum(each.billing_account.balance.minor_units for each in told.customers)
        note_moved(tx, self._context, move, handed_over)
        named = DocumentHome(move_id=move.id, to_region=move.to_region, number=told.customers[0].product.number)
        documents.give_up(tx, self._context, move.customer_id, named, now)
        for place, each in enumerate(told.customers):
            complaints.give_up(tx, each.product.number)
            line = line_of(tx, each.product.id)
            if line is not None:
                # A month that is billed after the receipt charges nothing from the confirmation on.
                keep_line(tx, line.terminated(), moment)
                give_up_number(tx, line.terminated())
                note_moved_line(tx, _moved_line(tx, move, line, place, moment))
        end_follow_ups(tx, move.customer_id, now)
        enter_status(tx, move.customer_id, MOVED, now)
        note_homes(tx, [each.number for each in move.lines], move.to_region, move.customer_id)

    def _close_account(self, tx: Transaction, move: CustomerMove, line: Line, amount: int, now: datetime) -> None:
        context, account, at = self._context, line.account_id, from_timestamp(move.change_time)
        charges = final_charges(tx, context.federation, context.time_zone, line, at)
        ledger.post_all(tx, charges, context.currency, now)
        book_moved(tx, move.id, account, -amount, payable(move.to_region), context.currency, now)
        book_rest(tx, move, account, context.currency, now)


def _moved_line(tx: Transaction, move: CustomerMove, line: Line, place: int, moment: datetime) -> MovedLine:
    number, time = number_index(tx, line.number), to_microseconds(moment)
    return MovedLine(line.product_id, line.customer_id, number, move.id, place, move.to_region, time)
