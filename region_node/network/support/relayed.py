"""Envelopes about support requests, and the effects of their receipts."""

from datetime import datetime

from gateway.api.region.v1.support_envelopes_pb2 import LinksMeasured, SupportCommand, SupportSearch, SupportUpdate
from gateway.api.region.v1.support_request_pb2 import SupportRequest
from gateway.api.region.v1.support_resource_service_pb2 import (
    ListExpertsResponse,
    ListResourcesResponse,
    ListSparesResponse,
)
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.relay.border import Kinds, Query
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.network.support import handling, owner, registry, rules
from region_node.network.support.measured import measured_here
from region_node.network.support.resources import resources_page
from region_node.network.support.rows import SUPPORT, SUPPORT_ROWS, SupportRow, facts
from region_node.network.support.sending import SUPPORT_MESSAGES, note_sent_request
from region_node.node.context import RegionContext
from region_node.node.payloads import received
from region_node.tickets import border
from region_node.tickets.relayed import Commanded, TicketEnvelopes


class SupportEnvelopes(TicketEnvelopes[SupportRequest, SupportCommand]):
    """The kinds of envelope that support uses."""

    messages = SUPPORT_MESSAGES
    rows = SUPPORT_ROWS
    command = SupportCommand
    text_limit = rules.TEXT_LIMIT
    is_answered = "support-answered.before-commit"
    is_updated = "support-updated.before-commit"

    def kinds(self) -> Kinds:
        """The handlers of each kind and of its receipts."""
        return {**super().kinds(), EnvelopeKind.ENVELOPE_KIND_SUPPORT_SEARCH: Query(self._searched)}

    def _said(self, command: SupportCommand) -> Commanded:
        texts = {"note": command.note.text, "reopen": command.reopen.reason}
        return Commanded(command.support_request_id, command.staff_id, command.WhichOneof("command"), texts)

    def _decide(self, tx: Transaction, command: SupportCommand, region: str, now: datetime) -> SupportRequest:
        return owner.apply_command(tx, self._context, command, now)

    def _filed(self, command: SupportCommand) -> SupportRequest:
        return command.open

    def _filed_again(self, tx: Transaction, ticket: SupportRequest, sent: datetime) -> None:
        note_sent_request(tx, ticket, sent)

    def _opened(
        self, tx: Transaction, command: SupportCommand, content: EnvelopeContent, now: datetime
    ) -> SupportRequest:
        request = command.open
        first = [(each.author, each.reason) for each in request.state_changes]
        is_by_author = first == [(f"{content.origin}/{request.inquiry.staff_id}", "")]
        is_untouched = is_by_author and not request.notes and not request.resolution
        border.require_filing(SUPPORT, request, content, now, is_untouched=is_untouched)
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
        SUPPORT_ROWS.insert(tx, row, 0, now)
        SUPPORT_MESSAGES.send_updates(tx, self._context, row, now, informed=(request.origin_region,))
        return request

    def _told(self, payload: bytes) -> SupportRequest:
        return received(SupportUpdate, payload).request

    def _adopt(self, tx: Transaction, told: SupportRequest, now: datetime, traceparent: str) -> None:
        handling.adopt(tx, self._context, told, now, traceparent)

    def _keep(self, tx: Transaction, row: SupportRow, why: str, now: datetime) -> None:
        handling.keep(tx, self._context, row, why, now)

    def _require_followed(self, told: SupportRequest) -> None:
        """This region may begin to follow a request about a number of its own. Raises Refused."""
        context, inquiry = self._context, told.inquiry

        def responsible() -> str:
            rules.require_inquiry(inquiry)
            return rules.at_fault(context.federation.network, inquiry).region

        border.require_own_customer(context, facts(told), responsible)

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
            raise invalid("search", "none is set", "未指定任何一项")
