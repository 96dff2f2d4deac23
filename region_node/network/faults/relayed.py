"""Envelopes about faults, and the effects of their receipts."""

from collections.abc import Callable
from datetime import datetime

from gateway.api.region.v1.fault_envelopes_pb2 import FaultCommand, FaultFiling, FaultUpdate, FaultWaived
from gateway.api.region.v1.fault_pb2 import Fault
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.relay.border import Command, Kinds, Refiled
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.network.faults import handling, owner, places, rules, waiver
from region_node.network.faults.rows import FAULT, FaultRow, facts, find_fault, insert_fault, require_fault
from region_node.network.faults.sending import send_missing
from region_node.network.faults.waiver import without_amounts
from region_node.node.context import RegionContext
from region_node.node.payloads import parse, received
from region_node.tickets import border


class FaultEnvelopes:
    """The kinds of envelope that faults use."""

    def __init__(self, context: RegionContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """The handlers of each kind and of its receipts."""
        known = border.reads_of(FAULT)
        return {
            EnvelopeKind.ENVELOPE_KIND_FAULT_REPORTED: Command(
                self._reported, self._report_answered, reads=known, answered_reads=known, refile=self._refile
            ),
            EnvelopeKind.ENVELOPE_KIND_FAULT_COMMAND: Command(
                self._commanded,
                self._command_answered,
                reads=known,
                answered_reads=known,
                act_again=border.executed_again(FAULT, self._context.region, self._commanded, self._tell_origin),
                refused_again=border.refused_again(FAULT),
                refile=border.refile_of(FAULT),
            ),
            EnvelopeKind.ENVELOPE_KIND_FAULT_UPDATE: Command(
                self._updated,
                self._update_answered,
                reads=known,
                act_again=self._updated_again,
                is_same=border.is_same_version(FAULT, lambda payload: parse(FaultUpdate, payload).fault),
            ),
        }

    def _reported(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Another region hands in a fault that is here."""
        fault = received(FaultFiling, content.payload).fault
        is_untouched = not (fault.notes or fault.steps or fault.repair.ByteSize())
        border.require_filing(FAULT, fault, content, now, is_untouched=is_untouched)
        rules.require_report(fault.report)
        self._require_here(fault)
        border.require_unknown(FAULT, tx, fault)
        rules.require_room(fault, 0)
        number = fault.report.number
        fault.home_region = (self._context.federation.number_plan.home_of(number) or "") if number else ""
        owner.take_up(self._context, fault, now)
        row = FaultRow(fault, content.traceparent)
        insert_fault(tx, row, 0, now)
        owner.taken_up(tx, self._context, row, now, informed=(fault.origin_region,))
        return border.accepted(_told(fault))

    def _report_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        failpoints.reach("fault-answered.before-commit")

        def keep(fault: Fault, why: str) -> None:
            handling.keep(tx, self._context, FaultRow(fault, content.traceparent), why, now)

        border.settle_filing(FAULT, tx, content, receipt, now, self._adopts(tx, now), keep)

    def _refile(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Refiled:
        """Takes a fault in again that this region had reported to its owner."""
        fault = parse(FaultFiling, content.payload).fault
        if (found := border.filed_again(FAULT, tx, fault)) is not None:
            return found
        handling.take_in_again(tx, self._context, FaultRow(fault, content.traceparent), now)
        return Refiled.RESTORED

    def _commanded(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles the customer's command, forwarded by the origin region."""
        command = received(FaultCommand, content.payload)
        known = border.commanded(FAULT, tx, self._context.region, command.fault_id, content)
        border.require_author(command.requester.staff_id, is_required=True)
        return border.decided(known, lambda: self._decide(tx, command, now), _told)

    def _decide(self, tx: Transaction, command: FaultCommand, now: datetime) -> Fault:
        texts = {
            "respond": command.respond.text,
            "cancel": command.cancel.reason,
            "reopen": command.reopen.reason,
        }
        border.require_text(command.WhichOneof("command"), texts, rules.TEXT_LIMIT, is_required=True)
        return owner.apply_command(tx, self._context, command, now)

    def _tell_origin(self, tx: Transaction, fault_id: str, now: datetime) -> None:
        send_missing(tx, self._context, require_fault(tx, fault_id), now)

    def _command_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        border.settle_command(FAULT, tx, content, receipt, now, self._adopts(tx, now))
        failpoints.reach("fault-command-answered.before-commit")

    def _adopts(self, tx: Transaction, now: datetime) -> Callable[[Fault], object]:
        return lambda snapshot: handling.adopt(tx, self._context, snapshot, "", now)

    def _updated(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles the owner region's new version of a fault reported here, or of a number of this region."""
        return self._adopt(tx, content, FaultWaived(), now)

    def _updated_again(self, tx: Transaction, content: EnvelopeContent, first: ReceiptContent, now: datetime) -> Answer:
        """As `_updated`: the owner has the times and amounts of the first answer."""
        return self._adopt(tx, content, parse(FaultWaived, first.result), now)

    def _adopt(self, tx: Transaction, content: EnvelopeContent, signed: FaultWaived, now: datetime) -> Answer:
        snapshot = received(FaultUpdate, content.payload).fault
        if not border.updated(FAULT, tx, snapshot, content, now, self._require_own_customer):
            return Answer(Outcome.OUTCOME_ACCEPTED, result=FaultWaived().SerializeToString())
        fault = handling.adopt(tx, self._context, snapshot, content.traceparent, now, signed)
        failpoints.reach("fault-updated.before-commit")
        told = waiver.said(tx, fault) if fault.home_region == self._context.region else FaultWaived()
        return Answer(Outcome.OUTCOME_ACCEPTED, result=told.SerializeToString())

    def _update_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        """Handles the receipt of an update; the home region's one names the outages with rent given back.

        After a move of the number, the real home region gets the update.
        """
        row = find_fault(tx, content.subject)
        if row is None:
            return
        if receipt.outcome == Outcome.OUTCOME_ACCEPTED:
            owner.update_taken(tx, self._context, row, content.destination, now)
        if row.fault.home_region != content.destination:
            return
        if receipt.outcome == Outcome.OUTCOME_ACCEPTED:
            owner.note_waived(tx, self._context, content.subject, receipt, now)
        elif receipt.reason == Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED:
            owner.tell_other_home(tx, self._context, row, now)

    def _require_here(self, fault: Fault) -> None:
        """The registry of the network in force names this region. Raises Refused."""
        found = places.check(self._context.federation, fault.report)
        if (found, fault.owner_region) != (self._context.region, self._context.region):
            raise Refused(Reason.REASON_FAULT_NOT_RESPONSIBLE, region=found)

    def _require_own_customer(self, snapshot: Fault) -> None:
        """This region may begin to follow a fault. Raises Refused."""
        context = self._context

        def responsible() -> str:
            return places.owner_of(context.federation, snapshot.report.place)

        border.require_own_customer(context, facts(snapshot), responsible)


def _told(fault: Fault) -> Fault:
    """The fault for its origin region."""
    return fault if fault.origin_region == fault.home_region else without_amounts(fault)
