"""SettlementService: gRPC for the statements of months with other regions."""

from datetime import datetime

import grpc

from gateway.api.region.v1 import settlement_service_pb2 as api
from gateway.api.region.v1.settlement_pb2 import SettlementPayment, SettlementStatement
from gateway.api.region.v1.settlement_service_pb2_grpc import SettlementServiceServicer
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.rpc.calls import current_call
from gateway.rpc.pages import decode_token, first_page, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from gateway.time.months import require_month
from region_node.business.settlement import signing
from region_node.business.settlement.payments import find_payment, payments_of, record_payment
from region_node.business.settlement.port import Settlement
from region_node.business.settlement.proofs import proofs_of
from region_node.business.settlement.rows import find_statement, list_statements
from region_node.requests.caller import Caller
from region_node.requests.checks import require_length, require_name
from region_node.requests.deciding import StaffDecisions

_PAGE = "settlement statements"


class SettlementService(SettlementServiceServicer):
    """See the contract."""

    def __init__(self, settlement: Settlement, store: Store, clock: Clock) -> None:
        self._settlement = settlement
        self._store = store
        self._decisions = StaffDecisions(store, clock)

    async def ListSettlementStatements(
        self,
        request: api.ListSettlementStatementsRequest,
        context: grpc.aio.ServicerContext[api.ListSettlementStatementsRequest, api.ListSettlementStatementsResponse],
    ) -> api.ListSettlementStatementsResponse:
        """See the contract."""
        size, before = page_size(request.page_size), decode_token(_PAGE, request.page_token)

        def listed(tx: Transaction) -> api.ListSettlementStatementsResponse:
            found = list_statements(tx, request.month, before, size + 1)
            page, token = first_page(_PAGE, found, size, lambda each: each[0])
            statements = [each for _, each in page]
            paid = payments_of(tx, self._settlement, statements)
            return api.ListSettlementStatementsResponse(statements=statements, next_page_token=token, payments=paid)

        return await self._store.read(listed)

    async def ComputeSettlement(
        self,
        request: api.ComputeSettlementRequest,
        context: grpc.aio.ServicerContext[api.ComputeSettlementRequest, api.ComputeSettlementResponse],
    ) -> api.ComputeSettlementResponse:
        """See the contract."""
        self._require_pair(request.region, request.month)

        def compute(tx: Transaction) -> api.ComputeSettlementResponse:
            statement = find_statement(tx, request.region, request.month)
            told = None if statement is None or statement.state == signing.DISPUTED else statement.terms
            terms = signing.computed(tx, self._settlement, request.region, request.month, told)
            payment = find_payment(tx, self._settlement, request.region, request.month)
            return api.ComputeSettlementResponse(terms=terms, statement=statement, payment=payment)

        return await self._store.read(compute)

    async def GetSettlementProof(
        self,
        request: api.GetSettlementProofRequest,
        context: grpc.aio.ServicerContext[api.GetSettlementProofRequest, api.GetSettlementProofResponse],
    ) -> api.GetSettlementProofResponse:
        """See the contract."""
        self._require_pair(request.region, request.month)
        node = self._settlement.node
        found = await self._store.read(lambda tx: proofs_of(tx, node, request.region, request.month))
        return api.GetSettlementProofResponse(proofs=found)

    async def SignSettlement(
        self,
        request: api.SignSettlementRequest,
        context: grpc.aio.ServicerContext[api.SignSettlementRequest, api.SignSettlementResponse],
    ) -> api.SignSettlementResponse:
        """See the contract."""
        self._require_pair(request.region, request.month)

        def sign(tx: Transaction, caller: Caller, now: datetime) -> SettlementStatement:
            return signing.sign(tx, self._settlement, caller, request, now)

        statement = await self._decisions.once(request.request_id, request, "SignSettlement", sign, self._known)
        return api.SignSettlementResponse(statement=statement)

    async def DisputeSettlement(
        self,
        request: api.DisputeSettlementRequest,
        context: grpc.aio.ServicerContext[api.DisputeSettlementRequest, api.DisputeSettlementResponse],
    ) -> api.DisputeSettlementResponse:
        """See the contract."""
        self._require_pair(request.region, request.month)
        require_length("note", request.note, signing.NOTE_LIMIT, required=True)

        def dispute(tx: Transaction, caller: Caller, now: datetime) -> SettlementStatement:
            return signing.dispute(tx, self._settlement, caller, request, now)

        statement = await self._decisions.once(request.request_id, request, "DisputeSettlement", dispute, self._known)
        return api.DisputeSettlementResponse(statement=statement)

    async def RecordSettlementPayment(
        self,
        request: api.RecordSettlementPaymentRequest,
        context: grpc.aio.ServicerContext[api.RecordSettlementPaymentRequest, api.RecordSettlementPaymentResponse],
    ) -> api.RecordSettlementPaymentResponse:
        """See the contract."""
        self._require_pair(request.region, request.month)
        require_name("reference", request.reference)
        certificates = current_call().staff_certificates

        def record(tx: Transaction, caller: Caller, now: datetime) -> SettlementPayment:
            return record_payment(tx, self._settlement, caller, certificates, request, now)

        def known(tx: Transaction, statement_id: str) -> SettlementPayment:
            found = find_payment(tx, self._settlement, request.region, request.month)
            if found is None:
                raise Refused(Reason.REASON_SETTLEMENT_NOT_FOUND, region=request.region, month=request.month)
            return found

        payment = await self._decisions.once(request.request_id, request, "RecordSettlementPayment", record, known)
        return api.RecordSettlementPaymentResponse(payment=payment)

    def _require_pair(self, region: str, month: str) -> None:
        """Raises Refused with REQUEST_INVALID, or REGION_UNKNOWN."""
        require_month("month", month)
        if region == self._settlement.node.region:
            raise invalid("region", "it is this region", "为本地区")
        self._settlement.node.federation.region(region)

    def _known(self, tx: Transaction, statement_id: str) -> SettlementStatement:
        first, _, second, month = statement_id.split("/")
        region = second if first == self._settlement.node.region else first
        found = find_statement(tx, region, month)
        if found is None:
            raise Refused(Reason.REASON_SETTLEMENT_NOT_FOUND, region=region, month=month)
        return found
