"""Reads a document piece by piece: the home region permits the read, and supplies the pieces from any region."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from gateway.api.region.v1.document_envelopes_pb2 import DocumentContentQuestion, DocumentPiece
from gateway.api.region.v1.document_service_pb2 import GetDocumentContentRequest, GetDocumentContentResponse
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.numberplan import normalize
from gateway.process.tracing import current_traceparent
from gateway.relay.border import Moved
from gateway.relay.envelopes import Answer, OutgoingEnvelope
from gateway.relay.queries import Asker
from gateway.rpc.element_counts import parsed
from gateway.store.port import Store
from gateway.time.clock import Clock
from region_node.customers.documents import contents, rules
from region_node.customers.documents.contents import Elsewhere
from region_node.customers.documents.pieces import checked_pieces
from region_node.customers.documents.rows import document_subject
from region_node.node.context import RegionContext
from region_node.node.payloads import received
from region_node.requests.auditing import AuditedCall
from region_node.requests.checks import Questioner, require_name
from region_node.requests.questions import ANSWER_SECONDS, Questions

KIND = EnvelopeKind.ENVELOPE_KIND_DOCUMENT_CONTENT
FETCH_SECONDS = 5.0
"""For a piece that the home region fetches for another one, which waits for ANSWER_SECONDS."""


class ContentApplication:
    """Supplies this region's content, and fetches the content of other regions."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock, asker: Asker) -> None:
        self._context = context
        self._store = store
        self._clock = clock
        self._asker = asker

    async def answer(self, content: EnvelopeContent, now: datetime) -> Answer:
        """A piece for another region. Raises Refused, or Moved."""
        asked = received(DocumentContentQuestion, content.payload)
        rules.require_document_id(asked.document_id)
        require_name("operator", content.operator)
        require_name("staff_id", asked.staff_id)
        call = AuditedCall(f"region/{content.origin}", asked.staff_id, now)
        questioner = Questioner(content.origin, content.operator)
        piece = await self.piece(asked, questioner, call, content.traceparent)
        return Answer(Outcome.OUTCOME_ACCEPTED, result=piece.SerializeToString())

    async def piece(
        self, asked: DocumentContentQuestion, questioner: Questioner, call: AuditedCall, traceparent: str
    ) -> DocumentPiece:
        """A piece for a region, which may be this one. Raises Refused, or Moved."""
        found = await self._store.write(lambda tx: contents.piece_for(tx, self._context, asked, questioner, call))
        if isinstance(found, Refused):
            raise found
        if isinstance(found, Elsewhere):
            return await self._fetch(found.region, asked, questioner.operator, traceparent)
        return found

    async def _fetch(
        self, region: str, asked: DocumentContentQuestion, operator: str, traceparent: str
    ) -> DocumentPiece:
        outgoing = OutgoingEnvelope(
            envelope_id=f"{asked.document_id}#content@{asked.offset}",
            destination=region,
            kind=KIND,
            payload=asked.SerializeToString(),
            subject=document_subject(asked.document_id),
            operator=operator,
            lifetime=timedelta(seconds=ANSWER_SECONDS),
        )
        return parsed(DocumentPiece, await self._asker.ask(outgoing, FETCH_SECONDS, traceparent, alone=True))


class Reading:
    """A read by an operator of this region, from an offset on.

    For another region's customer, each piece needs the home region's permission, also where the bytes are here. The
    home region may have restricted or erased the customer since. Its answer then has a few bytes. Without an answer
    nothing is read.
    """

    def __init__(self, application: ContentApplication, context: RegionContext, questions: Questions) -> None:
        self._application = application
        self._context = context
        self._questions = questions

    async def pieces(
        self, request: GetDocumentContentRequest, call: AuditedCall
    ) -> AsyncIterator[GetDocumentContentResponse]:
        """The content, as `checked_pieces` has it."""
        rules.require_document_id(request.document_id)
        asked = DocumentContentQuestion(
            document_id=request.document_id,
            number=normalize(request.number),
            offset=request.offset,
            staff_id=call.staff_id,
        )
        owner = self._questions.owner_of(asked.number)

        async def piece(offset: int) -> DocumentPiece:
            asked.offset = offset
            return await self._piece(asked, owner, call)

        async for offset, found in checked_pieces(piece, request.document_id, request.offset):
            yield GetDocumentContentResponse(
                offset=offset,
                data=found.data,
                size=found.size,
                sha256=found.sha256,
                media_type=found.media_type,
            )

    async def _piece(self, asked: DocumentContentQuestion, owner: str, call: AuditedCall) -> DocumentPiece:
        if owner != self._context.region:
            answer = await self._questions.ask(owner, KIND, asked.document_id, asked, alone=True)
            told = parsed(DocumentPiece, answer)
            if not told.is_with_asker:
                return told
        try:
            return await self._application.piece(asked, self._questions.questioner, call, current_traceparent())
        except Moved as moved:
            raise Refused(Reason.REASON_NOT_HOME, region=moved.region) from None
