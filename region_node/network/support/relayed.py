"""Envelopes about support requests, and the effects of their receipts."""

from datetime import datetime

from gateway.api.region.v1.support_envelopes_pb2 import LinksMeasured, SupportCommand, SupportSearch, SupportUpdate
from gateway.api.region.v1.support_request_pb2 import SupportRequest
from gateway.api.region.v1.support_resource_service_pb2 import (
    ListExpertsResponse,
    ListResourcesResponse,
    ListSparesResponse,
)
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.relay.border import Command, Kinds, Query
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.network.support import handling, owner, registry, rules
from region_node.network.support.measured import measured_here
from region_node.network.support.resources import resources_page
from region_node.network.support.rows import SUPPORT, SupportRow, facts, insert_support_request
from region_node.network.support.sending import send_updates
from region_node.node.context import RegionContext
from region_node.node.payloads import parse, received
from region_node.tickets import border


class SupportEnvelopes:
    """The kinds of envelope that support uses."""

    def __init__(self, context: RegionContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """The handlers of each kind and of its receipts."""
        known = border.reads_of(SUPPORT)
        return {
            EnvelopeKind.ENVELOPE_KIND_SUPPORT_COMMAND: Command(
                self._commanded, self._command_answered, reads=known, answered_reads=known
            ),
            EnvelopeKind.ENVELOPE_KIND_SUPPORT_UPDATE: Command(self._updated, _nothing, reads=known),
            EnvelopeKind.ENVELOPE_KIND_SUPPORT_SEARCH: Query(self._searched),
        }

    def _commanded(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles a new support request, or a command, of the opening region."""
        command = received(SupportCommand, content.payload)
        if command.HasField("open"):
            return self._opened(tx, command, content, now)
        known = border.commanded(SUPPORT, tx, self._context.region, command.support_request_id, content)
        border.require_author(command.staff_id, is_required=True)
        return border.decided(known, lambda: self._decide(tx, command, now))

    def _decide(self, tx: Transaction, command: SupportCommand, now: datetime) -> SupportRequest:
        texts = {"note": command.note.text, "reopen": command.reopen.reason}
        border.require_text(command.WhichOneof("command"), texts, rules.TEXT_LIMIT, is_required=True)
        return owner.apply_command(tx, self._context, command, now)

    def _opened(self, tx: Transaction, command: SupportCommand, content: EnvelopeContent, now: datetime) -> Answer:
        """Accepts a new support request, which may carry no decisions: those are this region's own."""
        request = command.open
        first = [(each.author, each.reason) for each in request.state_changes]
        is_by_author = first == [(f"{content.origin}/{request.inquiry.staff_id}", "")]
        is_untouched = is_by_author and not request.notes and not request.resolution
        border.require_origin(SUPPORT, command.support_request_id, content)
        border.require_filing(SUPPORT, request, content, now, is_untouched=is_untouched)
        border.require_author(command.staff_id, is_required=True)
        rules.require_inquiry(request.inquiry)
        rules.require_room(request, 0, rules.OPENING_LIMIT)
        finding = rules.at_fault(self._context.federation.network, request.inquiry)
        if finding.region != self._context.region:
            raise Refused(Reason.REASON_SUPPORT_NOT_RESPONSIBLE, region=finding.region)
        border.require_unknown(SUPPORT, tx, request)
        request.finding.CopyFrom(finding)
        request.home_region = self._context.federation.number_plan.home_of(request.inquiry.number) or ""
        owner.take(self._context, request)
        row = SupportRow(request, content.traceparent)
        insert_support_request(tx, row, 0, now)
        send_updates(tx, self._context, row, now, informed=(request.origin_region,))
        return border.accepted(request)

    def _command_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        failpoints.reach("support-answered.before-commit")

        def adopt(snapshot: SupportRequest) -> None:
            handling.adopt(tx, self._context, snapshot, now)

        def keep(request: SupportRequest, why: str) -> None:
            handling.keep(tx, self._context, SupportRow(request, content.traceparent), why, now)

        if parse(SupportCommand, content.payload).HasField("open"):
            border.settle_filing(SUPPORT, tx, content, receipt, now, adopt, keep)
        else:
            border.settle_command(SUPPORT, tx, content, receipt, now, adopt)

    def _updated(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles the region at fault's new version of a request, opened here or about a number of this region."""
        snapshot = received(SupportUpdate, content.payload).request
        if border.updated(SUPPORT, tx, snapshot, content, now, self._require_own_customer):
            handling.adopt(tx, self._context, snapshot, now, content.traceparent)
        failpoints.reach("support-updated.before-commit")
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _require_own_customer(self, snapshot: SupportRequest) -> None:
        """This region may begin to follow a support request. Raises Refused."""
        context, inquiry = self._context, snapshot.inquiry

        def responsible() -> str:
            rules.require_inquiry(inquiry)
            return rules.at_fault(context.federation.network, inquiry).region

        border.require_own_customer(context, facts(snapshot), responsible)

    def _searched(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles another region's search in the registry, or for measurements of links."""
        asked = received(SupportSearch, content.payload)
        return Answer(Outcome.OUTCOME_ACCEPTED, result=answer(tx, self._context, asked, now).SerializeToString())


def answer(
    tx: Transaction, context: RegionContext, asked: SupportSearch, now: datetime
) -> ListExpertsResponse | ListSparesResponse | ListResourcesResponse | LinksMeasured:
    """The answer to another region's staff. Raises Refused."""
    match asked.WhichOneof("search"):
        case "experts":
            return registry.experts_page(tx, context, asked)
        case "spares":
            return registry.spares_page(tx, context, asked)
        case "resources":
            return resources_page(tx, context, asked)
        case "links":
            return LinksMeasured(measurements=measured_here(tx, context, asked.links.links, now))
        case _:
            raise Refused(Reason.REASON_REQUEST_INVALID, field="search", problem="none is set")


def _nothing(tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime) -> None:
    """The receipt has no effect: the opening region has the version, or ignores it."""
