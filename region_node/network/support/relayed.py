"""What arrives about support requests in envelopes, and what their receipts do."""

from datetime import datetime

from gateway.api.region.v1.support_envelopes_pb2 import LinksMeasured, SupportCommand, SupportSearch, SupportUpdate
from gateway.api.region.v1.support_request_pb2 import SupportRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.relay.border import Command, Kinds, Query
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.network.support import handling, owner, registry, rules
from region_node.network.support.measured import measured_here
from region_node.network.support.rows import SupportRow, find_support_request, insert_support_request, is_known
from region_node.network.support.sending import send_updates
from region_node.node.context import RegionContext
from region_node.node.payloads import parse, received, refusal_of
from region_node.requests.checks import require_length, require_name


class SupportEnvelopes:
    """The kinds of envelope that support uses."""

    def __init__(self, context: RegionContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """How each kind is acted on here, and what its receipt does here."""
        return {
            EnvelopeKind.ENVELOPE_KIND_SUPPORT_COMMAND: Command(self._commanded, self._command_answered),
            EnvelopeKind.ENVELOPE_KIND_SUPPORT_UPDATE: Command(self._updated, _nothing),
            EnvelopeKind.ENVELOPE_KIND_SUPPORT_SEARCH: Query(self._searched),
        }

    def _commanded(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """The opening region hands in a support request, or says something of it."""
        command = received(SupportCommand, content.payload)
        if command.id != content.subject or not command.id.startswith(f"{content.origin}/S"):
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        require_name("staff_id", command.staff_id)
        if command.HasField("open"):
            return self._opened(tx, command.open, content, now)
        row = find_support_request(tx, command.id)
        if row is None or row.request.owner_region != self._context.region:
            raise Refused(Reason.REASON_SUPPORT_REQUEST_NOT_FOUND, request=command.id)
        known = _accepted(row.request).result
        try:
            _require_text(command)
            return _accepted(owner.apply_command(tx, self._context, command, now))
        except Refused as refused:
            return Answer(Outcome.OUTCOME_REFUSED, result=known, reason=refused.reason, parameters=refused.parameters)

    def _opened(self, tx: Transaction, request: SupportRequest, content: EnvelopeContent, now: datetime) -> Answer:
        """A new one. Only what was opened: decisions that it brought along would be this region's own."""
        if (request.id, request.opening_region) != (content.subject, content.origin):
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        is_new = request.state == rules.ACKNOWLEDGED and len(request.state_changes) == 1
        if request.version or not is_new or request.notes or request.resolution:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="it is not only opened")
        rules.require_plausible(request, now)
        rules.require_inquiry(request.inquiry)
        rules.require_room(request, 0, rules.OPENING_LIMIT)
        finding = rules.at_fault(self._context.federation.network, request.inquiry)
        if finding.region != self._context.region:
            raise Refused(Reason.REASON_SUPPORT_NOT_RESPONSIBLE, region=finding.region)
        if is_known(tx, request.id):
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="it is known")
        request.finding.CopyFrom(finding)
        request.home_region = self._context.federation.number_plan.home_of(request.inquiry.number) or ""
        owner.take(self._context, request)
        row = SupportRow(request, content.traceparent)
        insert_support_request(tx, row, 0, now)
        send_updates(tx, self._context, row, now, informed=(request.opening_region,))
        return _accepted(request)

    def _command_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        failpoints.reach("support-answered.before-commit")
        refused = None if receipt.outcome == Outcome.OUTCOME_ACCEPTED else refusal_of(receipt)
        snapshot = parse(SupportRequest, receipt.result) if receipt.result else None
        if not parse(SupportCommand, content.payload).HasField("open"):
            handling.settle_command(tx, self._context, content.id, snapshot, refused, now)
        elif refused is not None:
            handling.keep(tx, self._context, content.subject, refused, now)
        elif snapshot is not None:
            handling.adopt(tx, self._context, snapshot, now)

    def _updated(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """The region at fault has a new version of a support request: opened here, or of a number of this region."""
        snapshot = received(SupportUpdate, content.payload).request
        if snapshot.id != content.subject or snapshot.owner_region != content.origin or not snapshot.version:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        row = find_support_request(tx, snapshot.id)
        if row is None and is_known(tx, snapshot.id):  # made unreadable since
            return Answer(Outcome.OUTCOME_ACCEPTED)
        if row is None:
            self._require_own_customer(snapshot, now)
        elif row.request.owner_region != content.origin:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        handling.adopt(tx, self._context, snapshot, now, content.traceparent)
        failpoints.reach("support-updated.before-commit")
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _require_own_customer(self, snapshot: SupportRequest, now: datetime) -> None:
        """The first that this region hears of a support request: of a number of its own, by who may have it.

        That is the region at fault by the rule, or the one that has kept it as that did not take it. Raises Refused.
        """
        federation, opening = self._context.federation, snapshot.id.partition("/")[0]
        home = federation.number_plan.home_of(snapshot.inquiry.number)
        if (home, snapshot.home_region) != (self._context.region, self._context.region):
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        rules.require_plausible(snapshot, now)
        rules.require_inquiry(snapshot.inquiry)
        may_have_it = {rules.at_fault(federation.network, snapshot.inquiry).region, opening}
        if snapshot.owner_region not in may_have_it or snapshot.opening_region != opening:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)

    def _searched(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Staff of another region look for experts or spares, or for what was measured of links."""
        asked = received(SupportSearch, content.payload)
        if asked.HasField("links"):
            found = measured_here(tx, self._context, asked.links.links, now)
            return Answer(Outcome.OUTCOME_ACCEPTED, result=LinksMeasured(measurements=found).SerializeToString())
        return Answer(Outcome.OUTCOME_ACCEPTED, result=registry.answer(tx, self._context, asked).SerializeToString())


def _nothing(tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime) -> None:
    """The opening region has it, or has no use for it."""


def _require_text(command: SupportCommand) -> None:
    if command.HasField("note"):
        require_length("note", command.note.text, rules.TEXT_LIMIT, required=True)
    if command.HasField("reopen"):
        require_length("reopen", command.reopen.reason, rules.TEXT_LIMIT, required=True)


def _accepted(request: SupportRequest) -> Answer:
    return Answer(Outcome.OUTCOME_ACCEPTED, result=request.SerializeToString())
