"""FaultService: gRPC for the fault application service."""

from collections.abc import AsyncIterator

import grpc

from gateway.api.region.v1 import fault_service_pb2 as api
from gateway.api.region.v1.fault_envelopes_pb2 import FaultCommand
from gateway.api.region.v1.fault_pb2 import Fault, FaultReport, FaultState
from gateway.api.region.v1.fault_service_pb2_grpc import FaultServiceServicer
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import invalid
from gateway.federation.numberplan import normalize
from gateway.rpc.calls import current_call
from gateway.rpc.pages import dated_place, decode_token, encode_token, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from region_node.network.faults import handling, places, rules
from region_node.network.faults.application import FaultApplication
from region_node.network.faults.feed import FAULT_FEED
from region_node.network.faults.rows import (
    EVENTS,
    FaultFilter,
    list_faults,
)
from region_node.node.context import RegionContext
from region_node.records.listing import Page, Position
from region_node.records.watches import Follower
from region_node.requests.auditing import audited_call, reading_requester
from region_node.requests.calling import calling, known_states, patience
from region_node.requests.changes import Changes
from region_node.requests.checks import instant_within, require_length

_PAGE, _WATCH = "faults", "fault-events"


class FaultService(FaultServiceServicer):
    """See the contract. Every method checks the form of its request and calls the application service."""

    def __init__(
        self, context: RegionContext, application: FaultApplication, store: Store, changes: Changes, clock: Clock
    ) -> None:
        self._context = context
        self._application = application
        self._store = store
        self._changes = changes
        self._follower = Follower(store, changes, FAULT_FEED)
        self._clock = clock

    async def ReportFault(
        self,
        request: api.ReportFaultRequest,
        context: grpc.aio.ServicerContext[api.ReportFaultRequest, api.ReportFaultResponse],
    ) -> api.ReportFaultResponse:
        """See the contract."""
        reported = _normalised(request.report)
        return api.ReportFaultResponse(fault=await self._application.report(calling(request.request_id), reported))

    async def GetFault(
        self,
        request: api.GetFaultRequest,
        context: grpc.aio.ServicerContext[api.GetFaultRequest, api.GetFaultResponse],
    ) -> api.GetFaultResponse:
        """See the contract."""
        identity, reading = current_call().identity, audited_call(request.requester, self._clock)

        def read(tx: Transaction) -> Fault:
            fault = handling.find_for(tx, request.fault_id, identity)
            reading.record(tx, "GetFault", fault.id)
            return fault

        return api.GetFaultResponse(fault=await self._store.write(read))

    async def ListFaults(
        self,
        request: api.ListFaultsRequest,
        context: grpc.aio.ServicerContext[api.ListFaultsRequest, api.ListFaultsResponse],
    ) -> api.ListFaultsResponse:
        """See the contract."""
        identity, reading = current_call().identity, audited_call(request.requester, self._clock)
        size, before = page_size(request.page_size), dated_place(decode_token(_PAGE, request.page_token))
        is_limited, now = request.HasField("due_within"), self._clock.now()
        wanted = FaultFilter(
            region=identity.region,
            operator=identity.name if identity.role == Role.ROLE_OPERATOR else "",
            states=known_states(request.states, FaultState.values()),
            number=normalize(request.number) if request.number else "",
            contact_number=normalize(request.contact_number) if request.contact_number else "",
            due_before=instant_within("due_within", request.due_within, now) if is_limited else None,
            in_reverse=request.in_reverse,
        )
        position = Position(request.skip, counts=request.show_total_size)

        def read(tx: Transaction) -> Page[Fault]:
            page = list_faults(tx, wanted, before, size, position)
            reading.record(tx, "ListFaults", "-", f"{len(page.items)} read")
            return page

        page = await self._store.write(read)
        token = encode_token(_PAGE, page.following)
        return api.ListFaultsResponse(faults=page.items, next_page_token=token, total_size=page.total)

    async def WatchFaults(
        self,
        request: api.WatchFaultsRequest,
        context: grpc.aio.ServicerContext[api.WatchFaultsRequest, api.WatchFaultsResponse],
    ) -> AsyncIterator[api.WatchFaultsResponse]:
        """See the contract."""
        identity, reading = current_call().identity, audited_call(request.requester, self._clock)
        key = decode_token(_WATCH, request.token)

        def start(tx: Transaction) -> int:
            if request.fault_id:
                handling.find_for(tx, request.fault_id, identity)
            sequence = EVENTS.resumed_after(tx, key) if key else EVENTS.last(tx)
            reading.record(tx, "WatchFaults", request.fault_id or "-")
            return sequence

        with self._changes.watch(identity) as changed:
            sequence = await self._store.write(start)
            yield api.WatchFaultsResponse(token=encode_token(_WATCH, str(sequence)))
            async for change in self._follower.follow(changed, sequence, request.fault_id):
                if change.now is not None and handling.is_visible(change.now, identity):
                    token = encode_token(_WATCH, str(change.sequence))
                    yield api.WatchFaultsResponse(token=token, fault=change.now)

    async def FindPlaces(
        self,
        request: api.FindPlacesRequest,
        context: grpc.aio.ServicerContext[api.FindPlacesRequest, api.FindPlacesResponse],
    ) -> api.FindPlacesResponse:
        """See the contract."""
        require_length("text", request.text, places.TEXT_LIMIT)
        return api.FindPlacesResponse(places=places.found(self._context.federation, request.text))

    async def CancelFault(
        self,
        request: api.CancelFaultRequest,
        context: grpc.aio.ServicerContext[api.CancelFaultRequest, api.CancelFaultResponse],
    ) -> api.CancelFaultResponse:
        """See the contract."""
        asked = FaultCommand(fault_id=request.fault_id, requester=reading_requester(request.requester))
        asked.cancel.reason = rules.required_text("reason", request.reason)
        fault = await self._application.command(calling(request.request_id), asked, patience(request.wait))
        return api.CancelFaultResponse(fault=fault)

    async def RespondToFault(
        self,
        request: api.RespondToFaultRequest,
        context: grpc.aio.ServicerContext[api.RespondToFaultRequest, api.RespondToFaultResponse],
    ) -> api.RespondToFaultResponse:
        """See the contract."""
        asked = FaultCommand(fault_id=request.fault_id, requester=reading_requester(request.requester))
        match request.WhichOneof("said"):
            case "text":
                asked.respond.text = rules.required_text("text", request.text)
            case "accepted_part":
                asked.decide_quote.part, asked.decide_quote.accepted = request.accepted_part, True
            case "refused_part":
                asked.decide_quote.part = request.refused_part
            case "not_repaired":
                asked.reopen.reason = rules.required_text("not_repaired", request.not_repaired)
            case "evaluation":
                rules.require_evaluation(request.evaluation)
                asked.evaluate.CopyFrom(request.evaluation)
            case _:
                raise invalid("said", "none is set", "未指定任何一项")
        fault = await self._application.command(calling(request.request_id), asked, patience(request.wait))
        return api.RespondToFaultResponse(fault=fault)

    async def WorkOnFault(
        self,
        request: api.WorkOnFaultRequest,
        context: grpc.aio.ServicerContext[api.WorkOnFaultRequest, api.WorkOnFaultResponse],
    ) -> api.WorkOnFaultResponse:
        """See the contract."""
        return api.WorkOnFaultResponse(fault=await self._application.work(calling(request.request_id), request))


def _normalised(report: FaultReport) -> FaultReport:
    """The report in the form in which requests are compared. Raises Refused for a bad number.

    An operator system reports for a customer; reports of staff and alarms need no number.
    """
    found = FaultReport()
    found.CopyFrom(report)
    found.requester.CopyFrom(reading_requester(report.requester))
    is_operator = current_call().identity.role == Role.ROLE_OPERATOR
    if report.number or is_operator:
        require_length("number", report.number, rules.TEXT_LIMIT, required=True)
        found.number = normalize(report.number)
    if report.contact_number:
        found.contact_number = normalize(report.contact_number)
    return found
