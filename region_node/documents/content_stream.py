"""Reading a document piece by piece: from here, from the customer's home region, or through that from where it is."""

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Protocol

from google.protobuf.message import DecodeError

from gateway.api.region.v1.document_envelopes_pb2 import DocumentContentQuestion, DocumentPiece
from gateway.api.region.v1.document_service_pb2 import GetDocumentContentRequest, GetDocumentContentResponse
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.clock import Clock
from gateway.errors import Refused
from gateway.numberplan import normalize
from gateway.relay.border import Moved
from gateway.relay.envelopes import Answer, Letter
from gateway.relay.queries import Asker
from gateway.store.port import Store
from region_node.auditing import AuditedCall, audited_call
from region_node.context import RegionContext
from region_node.documents import contents, rules
from region_node.documents.contents import Elsewhere
from region_node.questions import ANSWER_SECONDS, Questions

KIND = EnvelopeKind.ENVELOPE_KIND_DOCUMENT_CONTENT
FETCH_SECONDS = 5.0
"""For a piece that the home region fetches for another one, which waits for ANSWER_SECONDS."""


class ContentDesk:
    """Answers for what this region has, and fetches what another region has."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock, asker: Asker) -> None:
        self._context = context
        self._store = store
        self._clock = clock
        self._asker = asker

    async def answer(self, content: EnvelopeContent, now: "datetime") -> Answer:
        """A piece for another region. Raises Refused, or Moved."""
        try:
            asked = DocumentContentQuestion.FromString(content.payload)
        except DecodeError:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="unreadable payload") from None
        rules.require_register_id(asked.register_id)
        call = AuditedCall(f"region/{content.origin}", asked.staff_id, now)
        piece = await self.piece(asked, content.origin, call, content.operator, content.traceparent)
        return Answer(Outcome.OUTCOME_ACCEPTED, result=piece.SerializeToString())

    async def piece(
        self, asked: DocumentContentQuestion, asker: str, call: AuditedCall, operator: str, traceparent: str
    ) -> DocumentPiece:
        """A piece for a region, which may be this one. Raises Refused, or Moved."""
        found = await self._store.write(lambda tx: contents.piece_for(tx, self._context, asked, asker, call))
        if isinstance(found, Refused):
            raise found
        if isinstance(found, Elsewhere):
            return await self._fetch(found.region, asked, operator, traceparent)
        return found

    async def _fetch(
        self, region: str, asked: DocumentContentQuestion, operator: str, traceparent: str
    ) -> DocumentPiece:
        letter = Letter(
            envelope_id=f"{asked.register_id}#content@{asked.offset}",
            destination=region,
            kind=KIND,
            payload=asked.SerializeToString(),
            subject=f"document/{asked.register_id}",
            operator=operator,
            lifetime=timedelta(seconds=ANSWER_SECONDS),
        )
        return DocumentPiece.FromString(await self._asker.ask(letter, FETCH_SECONDS, traceparent))
