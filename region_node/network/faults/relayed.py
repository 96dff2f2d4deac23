"""What arrives about faults in envelopes, and what their receipts do."""

from datetime import datetime

from gateway.api.region.v1.fault_envelopes_pb2 import FaultCommand, FaultFiling, FaultUpdate, FaultWaived
from gateway.api.region.v1.fault_pb2 import Fault
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.relay.border import Command, Kinds
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.network.faults import handling, outages, owner, places, rules, waiver
from region_node.network.faults.rows import FaultRow, find_fault, insert_fault, is_known
from region_node.network.faults.waiver import without_amounts
from region_node.node.context import RegionContext
from region_node.node.payloads import parse, received, refusal_of


class FaultEnvelopes:
    """The kinds of envelope that faults use."""

    def __init__(self, context: RegionContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """How each kind is acted on here, and what its receipt does here."""
        return {
            EnvelopeKind.ENVELOPE_KIND_FAULT_REPORTED: Command(self._reported, self._report_answered),
            EnvelopeKind.ENVELOPE_KIND_FAULT_COMMAND: Command(self._commanded, self._command_answered),
            EnvelopeKind.ENVELOPE_KIND_FAULT_UPDATE: Command(self._updated, self._update_answered),
        }

    def _reported(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Another region hands in a fault that is here."""
        fault = received(FaultFiling, content.payload).fault
        _require_reporter(fault.id, fault.handling_region, content)
        # Only a new one: decisions that it brought along would be this region's own.
        if fault.version or fault.state != rules.ACKNOWLEDGED or fault.notes or fault.steps or fault.repair.ByteSize():
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="a report is only acknowledged yet")
        rules.require_plausible(fault, now)
        rules.require_report(fault.report)
        self._require_here(fault)
        if is_known(tx, fault.id):
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="the fault is known")
        rules.require_room(fault, 0)
        number = fault.report.number
        fault.home_region = (self._context.federation.number_plan.home_of(number) or "") if number else ""
        owner.take_up(self._context, fault, now)
        row = FaultRow(fault, content.traceparent)
        insert_fault(tx, row, 0, now)
        owner.taken_up(tx, self._context, row, now, informed=(fault.handling_region,))
        return _accepted(fault)

    def _report_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        failpoints.reach("fault-answered.before-commit")
        if receipt.outcome == Outcome.OUTCOME_ACCEPTED:
            handling.adopt(tx, self._context, parse(Fault, receipt.result), content.traceparent, now)
        else:
            handling.keep(tx, self._context, content.subject, refusal_of(receipt), now)

    def _commanded(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """The region in which a fault was reported passes on what the customer says."""
        command = received(FaultCommand, content.payload)
        row = find_fault(tx, command.id)
        if row is None or row.fault.owner_region != self._context.region:
            raise Refused(Reason.REASON_FAULT_NOT_FOUND, fault=command.id)
        _require_reporter(command.id, row.fault.handling_region, content)
        known = _accepted(row.fault).result
        try:
            return _accepted(owner.apply_command(tx, self._context, command, now))
        except Refused as refused:
            return Answer(Outcome.OUTCOME_REFUSED, result=known, reason=refused.reason, parameters=refused.parameters)

    def _command_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        refused = None if receipt.outcome == Outcome.OUTCOME_ACCEPTED else refusal_of(receipt)
        snapshot = parse(Fault, receipt.result) if receipt.result else None
        handling.settle_command(tx, self._context, content.id, snapshot, refused, now)
        failpoints.reach("fault-command-answered.before-commit")

    def _updated(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """The region in which a fault is has a new version of it: reported here, or of a number of this region."""
        snapshot = received(FaultUpdate, content.payload).fault
        if snapshot.id != content.subject or snapshot.owner_region != content.origin or not snapshot.version:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        row = find_fault(tx, snapshot.id)
        if row is not None and row.fault.owner_region != content.origin:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        if row is None and not is_known(tx, snapshot.id):
            self._require_own_customer(snapshot)
        if row is not None and row.fault.creation_date != snapshot.creation_date:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="it was reported at another time")
        rules.require_plausible(snapshot, now)
        outages.require_plausible(snapshot, now)
        fault = handling.adopt(tx, self._context, snapshot, content.traceparent, now)
        failpoints.reach("fault-updated.before-commit")
        is_home = fault is not None and fault.home_region == self._context.region
        told = waiver.said(fault) if fault is not None and is_home else FaultWaived()
        return Answer(Outcome.OUTCOME_ACCEPTED, result=told.SerializeToString())

    def _update_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        """The other region has it; the home region says for which outages it has given back rent.

        Where it is not the home region, as the number has moved, the one that is hears of the fault.
        """
        row = find_fault(tx, content.subject)
        if row is None or row.fault.home_region != content.destination:
            return
        if receipt.outcome == Outcome.OUTCOME_ACCEPTED:
            owner.note_waived(tx, self._context, content.subject, parse(FaultWaived, receipt.result), now)
        elif receipt.reason == Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED:
            owner.tell_other_home(tx, self._context, row, now)

    def _require_here(self, fault: Fault) -> None:
        """The registry of the network in force names this region. Raises Refused."""
        found = places.check(self._context.federation, fault.report)
        if (found, fault.owner_region) != (self._context.region, self._context.region):
            raise Refused(Reason.REASON_FAULT_NOT_RESPONSIBLE, region=found)

    def _require_own_customer(self, snapshot: Fault) -> None:
        """The first that this region hears of a fault: of a number of its own, by who may have it. Raises Refused.

        That is the region in which it is by the registry, or the one that has kept it as that did not take it.
        """
        federation, number = self._context.federation, snapshot.report.number
        home = federation.number_plan.home_of(number) if number else None
        reporter = snapshot.id.partition("/")[0]
        may_have_it = {places.owner_of(federation, snapshot.report.place), reporter}
        if (home, snapshot.home_region) != (self._context.region, self._context.region):
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        if snapshot.owner_region not in may_have_it or snapshot.handling_region != reporter:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)


def _require_reporter(fault_id: str, handling_region: str, content: EnvelopeContent) -> None:
    """Only the region in which a fault was reported speaks for its customer, and the id names that region."""
    own = handling_region == content.origin and fault_id.startswith(f"{content.origin}/F")
    if not own or fault_id != content.subject:
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)


def _accepted(fault: Fault) -> Answer:
    """The fault for the region in which it was reported."""
    told = fault if fault.handling_region == fault.home_region else without_amounts(fault)
    return Answer(Outcome.OUTCOME_ACCEPTED, result=told.SerializeToString())
