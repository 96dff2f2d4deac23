"""CustomerMoveService: moves of the region's customers to another home region."""

from collections.abc import Awaitable

import grpc

from gateway.api.region.v1 import customer_move_service_pb2 as api
from gateway.api.region.v1.customer_move_pb2 import CustomerMove
from gateway.api.region.v1.customer_move_service_pb2_grpc import CustomerMoveServiceServicer
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Document
from gateway.errors import Refused
from gateway.federation.numberplan import normalize
from gateway.process.tracing import current_traceparent
from gateway.relay.border import Moved
from gateway.rpc.calls import current_call
from gateway.rpc.pages import dated_key, dated_place, decode_token, first_page, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock, from_timestamp
from region_node.customers.own_readings import OwnReadings
from region_node.customers.verification.rules import Shown
from region_node.customers.verified import Verified, verified_line
from region_node.lifecycle.moving import operations, rules
from region_node.lifecycle.moving.rows import list_moves
from region_node.lifecycle.registry import Registry
from region_node.requests.auditing import audited_call
from region_node.requests.caller import done_before
from region_node.requests.calling import caller_of
from region_node.requests.checks import Questioner, require_request_id, require_size
from region_node.requests.rows import insert_request

_PAGE = "moves"


class CustomerMoveService(CustomerMoveServiceServicer):
    """See the contract."""

    def __init__(self, registry: Registry, store: Store, clock: Clock) -> None:
        self._registry = registry
        self._store = store
        self._readings = OwnReadings(registry.context, store)
        self._clock = clock

    async def StartMove(
        self,
        request: api.StartMoveRequest,
        context: grpc.aio.ServicerContext[api.StartMoveRequest, api.StartMoveResponse],
    ) -> api.StartMoveResponse:
        """See the contract."""
        require_request_id(request.request_id)
        require_size(request.ByteSize())
        call, number = audited_call(request.requester, self._clock), normalize(request.number)
        caller = caller_of(request.request_id)
        move_id = caller.subject(self._registry.context.region)
        asked = CustomerMove(id=move_id, to_region=request.to_region, lines=request.lines)
        for line in asked.lines:
            line.number = normalize(line.number)

        content = f"{number} {request.to_region} {sorted((each.number, each.plan_id) for each in asked.lines)}"
        key = caller.key(content.encode())

        def known(tx: Transaction) -> CustomerMove | None:
            return None if done_before(tx, key) is None else operations.require_move(tx, move_id)

        def start(tx: Transaction) -> CustomerMove:
            move = operations.start(tx, self._registry, asked, number, call.now)
            insert_request(tx, key, move_id, settled=True, now=call.now)
            call.record(tx, "StartMove", move.id, f"to {move.to_region}")
            return move

        writing = self._readings.write(call.dealer, Shown("", number), call.now, start, known)
        return api.StartMoveResponse(move=await _at_home(writing))

    async def ConfirmMove(
        self,
        request: api.ConfirmMoveRequest,
        context: grpc.aio.ServicerContext[api.ConfirmMoveRequest, api.ConfirmMoveResponse],
    ) -> api.ConfirmMoveResponse:
        """See the contract."""
        require_request_id(request.verification_id)
        require_size(request.ByteSize())
        call, traceparent = audited_call(request.requester, self._clock), current_traceparent()
        region, operator = self._registry.context.region, current_call().identity.name
        asked = _Confirmed(request, normalize(request.number))

        def confirm(tx: Transaction) -> CustomerMove:
            known = operations.require_move(tx, request.move_id)
            if known.state == rules.REQUESTED:
                questioner = Questioner(region, operator)
                line = verified_line(tx, self._registry.context, asked, questioner, call.now)
                operations.require_customer(known, line)
            move = operations.confirm(tx, self._registry, request.move_id, call.now, traceparent)
            call.record(tx, "ConfirmMove", move.id)
            return move

        return api.ConfirmMoveResponse(move=await _at_home(self._store.write(confirm)))

    async def CancelMove(
        self,
        request: api.CancelMoveRequest,
        context: grpc.aio.ServicerContext[api.CancelMoveRequest, api.CancelMoveResponse],
    ) -> api.CancelMoveResponse:
        """See the contract."""
        call = audited_call(request.requester, self._clock)

        def cancel(tx: Transaction) -> CustomerMove:
            move = operations.cancel(tx, request.move_id, call.now)
            call.record(tx, "CancelMove", move.id)
            return move

        return api.CancelMoveResponse(move=await self._store.write(cancel))

    async def ListMoves(
        self,
        request: api.ListMovesRequest,
        context: grpc.aio.ServicerContext[api.ListMovesRequest, api.ListMovesResponse],
    ) -> api.ListMovesResponse:
        """See the contract."""
        call, size = audited_call(request.requester, self._clock), page_size(request.page_size)
        before = dated_place(decode_token(_PAGE, request.page_token))

        def read(tx: Transaction) -> list[CustomerMove]:
            found = list_moves(tx, before, size + 1)
            call.record(tx, "ListMoves", "-", f"{len(found)} read")
            return found

        page, token = first_page(_PAGE, await self._store.write(read), size, _place)
        return api.ListMovesResponse(moves=page, next_page_token=token)


async def _at_home(writing: Awaitable[CustomerMove]) -> CustomerMove:
    """The outcome of a transaction. Raises Refused with NOT_HOME where the number belongs to another region."""
    try:
        return await writing
    except Moved as moved:
        raise Refused(Reason.REASON_NOT_HOME, region=moved.region) from None


class _Confirmed(Verified):
    """A confirmation with its verification."""

    def __init__(self, request: api.ConfirmMoveRequest, number: str) -> None:
        self._request = request
        self._number = number

    @property
    def request_id(self) -> str:
        """See Verified."""
        return self._request.verification_id

    @property
    def number(self) -> str:
        """See Verified."""
        return self._number

    @property
    def applicant(self) -> Applicant.ValueType:
        """The customer alone can move."""
        return Applicant.APPLICANT_HOLDER

    @property
    def documents(self) -> list[Document]:
        """See Verified."""
        return list(self._request.documents)


def _place(move: CustomerMove) -> str:
    return dated_key(from_timestamp(move.create_time), move.id)
