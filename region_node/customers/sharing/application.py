"""Finds the home region of a customer and queries it, or answers itself as the home region."""

from collections.abc import Sequence
from typing import TypeVar

from google.protobuf.message import Message

from gateway.api.federation.v1.configuration_pb2 import LegalBasis, Purpose
from gateway.api.region.v1 import sharing_service_pb2 as api
from gateway.api.region.v1.approval_service_pb2 import ApprovalAct
from gateway.api.region.v1.sharing_envelopes_pb2 import SharingQuery
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, reason_name
from gateway.federation.numberplan import normalize
from gateway.relay.border import Moved
from gateway.rpc.calls import current_call
from gateway.rpc.element_counts import parsed
from gateway.store.port import Store
from gateway.time.clock import Clock
from region_node.approvals.operations import Act, Awaited, approval_of
from region_node.customers.sharing.consents import confirm_consent
from region_node.customers.sharing.forms import Asked, require_claimant, require_form, require_ids
from region_node.customers.sharing.operations import Call, refusal_of, said_basis
from region_node.customers.sharing.relayed import answer_query
from region_node.customers.sharing.rules import Denied, require_basis
from region_node.node.context import RegionContext
from region_node.requests.auditing import AuditedCall
from region_node.requests.caller import Caller
from region_node.requests.checks import Questioner
from region_node.requests.questions import Questions, is_large

R = TypeVar("R", bound=Message)


class SharingApplication:
    """The queries of this region's operators about customers of any region.

    Raises Refused, also as the home region does. Each refusal, and each read of another region's customer, adds a row
    to this region's audit chain. The home region writes its own.
    """

    def __init__(self, context: RegionContext, store: Store, questions: Questions, clock: Clock) -> None:
        self._context = context
        self._store = store
        self._questions = questions
        self._clock = clock

    @property
    def purposes(self) -> Sequence[Purpose]:
        """The purposes of sharing. Raises Refused with CONFIGURATION_MISSING."""
        return self._context.federation.purposes

    async def read(self, request: api.ReadSharedCustomerRequest) -> api.ReadSharedCustomerResponse:
        """A record, or the reason for its denial. A region without a data agreement sends no query."""
        return await self.ask("ReadSharedCustomer", request, api.ReadSharedCustomerResponse)

    async def ask(self, action: str, asked: Asked, response: type[R]) -> R:
        """The answer of the home region of the customer. The number in `asked` becomes E.164."""
        questioner = self._questions.questioner
        if questioner.is_staff:
            asked.requester.staff_id = questioner.operator
        if isinstance(asked, api.ReadSharedCustomerRequest):
            asked.approver_staff_id = ""
        call = Call(questioner, asked.request_id, asked.requester.staff_id, self._clock.now())
        try:
            require_form(asked)
            is_of_duty = self._require_ground(questioner, asked)
            asked.number = normalize(asked.number)
            owner = self._questions.owner_of(asked.number)
            if is_of_duty and isinstance(asked, api.ReadSharedCustomerRequest):
                asked.approver_staff_id = await self._approver(call, asked)
            if owner == self._context.region:
                return await self._answer(call, asked, response)
            if isinstance(asked, api.ReadSharedCustomerRequest):
                answer = await self._read_abroad(call, owner, asked)
                return response.FromString(answer.SerializeToString())
            return parsed(response, await self._ask(owner, action, call, asked))
        except Refused as refused:
            what = reason_name(refused.reason)
            await self._store.write(lambda tx: call.record(tx, action, None, what))
            raise

    def _require_ground(self, questioner: Questioner, asked: Asked) -> bool:
        """Whether a reading is by legal duty, for which no scope of staff names a purpose.

        Raises Refused as `require_claimant`, and with OPERATOR_SCOPE_MISSING.
        """
        is_duty = False
        if isinstance(asked, api.ReadSharedCustomerRequest):
            require_claimant(asked.legal_basis, questioner)
            is_duty = asked.legal_basis == LegalBasis.LEGAL_BASIS_LEGAL_DUTY
        if isinstance(asked, api.ReadSharedCustomerRequest | api.GiveConsentRequest) and not is_duty:
            self._context.scopes.require_purpose(questioner.caller, asked.purpose)
        return is_duty

    async def _approver(self, call: Call, asked: api.ReadSharedCustomerRequest) -> str:
        """The staff id of the second person who has confirmed a reading by legal duty.

        Raises Refused with APPROVAL_AWAITED until then, and as the home region for what no purpose permits.
        """
        purpose = self._context.federation.purpose(asked.purpose)
        require_basis(purpose, asked.legal_basis, asked.order_id, asked.reference)
        act = Act(
            ApprovalAct.APPROVAL_ACT_LEGAL_DUTY_READING,
            number=asked.number,
            purpose=asked.purpose,
            reference=asked.reference,
        )
        certificates = current_call().staff_certificates
        proposing = AuditedCall(call.questioner.path, call.staff_id, call.now, certificates=certificates)
        revocations = self._context.border.keys.revocations
        approval = await self._store.write(lambda tx: approval_of(tx, act, proposing, revocations))
        if isinstance(approval, Awaited):
            raise approval.refused(self._context)
        return approval.decider

    async def confirm(self, caller: Caller, asked: api.ConfirmConsentRequest) -> api.ConfirmConsentResponse:
        """The customer's word to staff of this region. Raises Refused, with NOT_HOME for another region's customer."""
        require_ids(asked)
        asked.number, now = normalize(asked.number), self._clock.now()
        try:
            return await self._store.write(lambda tx: confirm_consent(tx, self._context, asked, caller, now))
        except Moved as moved:
            raise Refused(Reason.REASON_NOT_HOME, region=moved.region) from None

    async def _read_abroad(
        self, call: Call, owner: str, asked: api.ReadSharedCustomerRequest
    ) -> api.ReadSharedCustomerResponse:
        context = self._context
        missing = context.federation.without_agreement((context.region, owner), call.now)
        if missing:
            denied = Denied(Reason.REASON_DATA_AGREEMENT_MISSING, parameters={"region": missing})
            answer = api.ReadSharedCustomerResponse(refusal=refusal_of(denied))
        else:
            answer = api.ReadSharedCustomerResponse.FromString(
                await self._ask(owner, "ReadSharedCustomer", call, asked)
            )
        outcome = "a record" if answer.HasField("record") else reason_name(answer.refusal.reason)
        basis = LegalBasis.Name(asked.legal_basis) if asked.legal_basis in LegalBasis.values() else "-"
        what = f"{owner}, {asked.purpose}, {said_basis(basis, asked)}: {outcome}"
        await self._store.write(lambda tx: call.record(tx, "ReadSharedCustomer", None, what))
        return answer

    async def _answer(self, call: Call, asked: Asked, response: type[R]) -> R:
        query = _query(call, asked)
        try:
            answer = await self._store.write(
                lambda tx: answer_query(tx, self._context, query, call.questioner, call.now)
            )
        except Moved as moved:
            raise Refused(Reason.REASON_NOT_HOME, region=moved.region) from None
        if not isinstance(answer, response):
            raise TypeError(f"{type(answer).__name__} answers a question for {response.__name__}")
        return answer

    async def _ask(self, owner: str, action: str, call: Call, asked: Asked) -> bytes:
        kind = EnvelopeKind.ENVELOPE_KIND_SHARING
        alone = isinstance(asked, api.ListGrantsRequest | api.ListDisclosuresRequest) and is_large(asked.page_size)
        return await self._questions.ask(owner, kind, action, _query(call, asked), alone=alone)


def _query(call: Call, asked: Asked) -> SharingQuery:
    query = SharingQuery(subject=call.subject, role=call.questioner.role)
    match asked:
        case api.ReadSharedCustomerRequest():
            query.read.CopyFrom(asked)
        case api.GiveConsentRequest():
            query.give_consent.CopyFrom(asked)
        case api.WithdrawConsentRequest():
            query.withdraw_consent.CopyFrom(asked)
        case api.ListGrantsRequest():
            query.list_grants.CopyFrom(asked)
        case api.ListDisclosuresRequest():
            query.list_disclosures.CopyFrom(asked)
    return query
