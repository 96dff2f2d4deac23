"""ComplaintService: gRPC for the complaint application service."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import grpc

from gateway.api.federation.v1.problem_pb2 import ProblemHeader
from gateway.api.region.v1 import complaint_service_pb2 as api
from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintCommand
from gateway.api.region.v1.complaint_pb2 import (
    Complaint,
    ComplaintNote,
    ComplaintRequest,
    ComplaintState,
    Resolution,
)
from gateway.api.region.v1.complaint_service_pb2_grpc import ComplaintServiceServicer
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import Refused, invalid
from gateway.federation.numberplan import normalize
from gateway.rpc.calls import current_call
from gateway.rpc.pages import dated_place, decode_token, encode_token, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock, from_timestamp
from region_node.care.complaints import handling, rules
from region_node.care.complaints.application import ComplaintApplication
from region_node.care.complaints.feed import COMPLAINT_FEED
from region_node.care.complaints.private_notes import private_notes
from region_node.care.complaints.rows import (
    EVENTS,
    ComplaintFilter,
    list_complaints,
)
from region_node.records.listing import Page, Position
from region_node.records.watches import Follower
from region_node.requests.auditing import audited_call, reading_requester
from region_node.requests.calling import calling, known_states, patience
from region_node.requests.changes import Changes
from region_node.requests.checks import instant_within, require_length

_PAGE, _WATCH = "complaints", "complaint-events"


class ComplaintService(ComplaintServiceServicer):
    """See the contract. Every method checks the form of its request and calls the application service."""

    def __init__(self, application: ComplaintApplication, store: Store, changes: Changes, clock: Clock) -> None:
        self._application = application
        self._store = store
        self._changes = changes
        self._follower = Follower(store, changes, COMPLAINT_FEED)
        self._clock = clock

    async def FileComplaint(
        self,
        request: api.FileComplaintRequest,
        context: grpc.aio.ServicerContext[api.FileComplaintRequest, api.FileComplaintResponse],
    ) -> api.FileComplaintResponse:
        """See the contract."""
        filed = _normalised(request.complaint)
        complaint = await self._application.file(calling(request.request_id), filed, patience(request.wait))
        return api.FileComplaintResponse(complaint=complaint)

    async def GetComplaint(
        self,
        request: api.GetComplaintRequest,
        context: grpc.aio.ServicerContext[api.GetComplaintRequest, api.GetComplaintResponse],
    ) -> api.GetComplaintResponse:
        """See the contract."""
        identity, reading = current_call().identity, audited_call(request.requester, self._clock)
        is_staff = identity.role == Role.ROLE_STAFF

        def read(tx: Transaction) -> tuple[Complaint, Sequence[ComplaintNote], Sequence[ProblemHeader]]:
            complaint = handling.find_for(tx, request.ticket_id, identity)
            reading.record(tx, "GetComplaint", complaint.ticket_id)
            private = private_notes(tx, complaint.ticket_id) if is_staff else ()
            return complaint, private, self._application.network_problems(tx, complaint)

        complaint, private, problems = await self._store.write(read)
        response = self._application.told(complaint, self._clock.now())
        response.private_notes.extend(private)
        response.network_problems.extend(problems)
        return response

    async def ListComplaints(
        self,
        request: api.ListComplaintsRequest,
        context: grpc.aio.ServicerContext[api.ListComplaintsRequest, api.ListComplaintsResponse],
    ) -> api.ListComplaintsResponse:
        """See the contract."""
        identity, reading = current_call().identity, audited_call(request.requester, self._clock)
        size, before = page_size(request.page_size), dated_place(decode_token(_PAGE, request.page_token))
        is_limited, now = request.HasField("due_within"), self._clock.now()
        wanted = ComplaintFilter(
            region=identity.region,
            operator=identity.name if identity.role == Role.ROLE_OPERATOR else "",
            states=known_states(request.states, ComplaintState.values()),
            category=request.category,
            number=normalize(request.number) if request.number else "",
            contact_number=normalize(request.contact_number) if request.contact_number else "",
            unclassified=request.unclassified,
            due_before=instant_within("due_within", request.due_within, now) if is_limited else None,
            for_staff=request.for_staff,
            in_reverse=request.in_reverse,
            known_as=request.known_as,
        )
        position = Position(request.skip, counts=request.show_total_size)

        def read(tx: Transaction) -> Page[Complaint]:
            page = list_complaints(tx, wanted, before, size, position)
            reading.record(tx, "ListComplaints", "-", f"{len(page.items)} read")
            return page

        until = _as_of(request)
        page = await self._store.write(read)
        token = encode_token(_PAGE, page.following)
        response = api.ListComplaintsResponse(complaints=page.items, next_page_token=token, total_size=page.total)
        if until is not None:
            response.levels.extend(self._application.levels_at(page.items, until))
        return response

    async def ClassifyComplaint(
        self,
        request: api.ClassifyComplaintRequest,
        context: grpc.aio.ServicerContext[api.ClassifyComplaintRequest, api.ClassifyComplaintResponse],
    ) -> api.ClassifyComplaintResponse:
        """See the contract."""
        require_length("category", request.category, rules.CODE_LIMIT, required=True)
        require_length("reason", request.reason, rules.NOTE_LIMIT, required=False)
        caller = calling(request.request_id)
        complaint = await self._application.classify(caller, request.ticket_id, request.category, request.reason)
        return api.ClassifyComplaintResponse(complaint=complaint)

    async def RespondToComplaint(
        self,
        request: api.RespondToComplaintRequest,
        context: grpc.aio.ServicerContext[api.RespondToComplaintRequest, api.RespondToComplaintResponse],
    ) -> api.RespondToComplaintResponse:
        """See the contract."""
        caller = calling(request.request_id)
        asked = _command(request.ticket_id, request.requester)
        require_length("text", request.text, rules.NOTE_LIMIT, required=True)
        if request.ask_customer and request.ask_region:
            raise invalid("ask_region", "the customer is asked as well", "已同时询问客户")
        owner = await self._application.owner_of(request.ticket_id, caller.identity)
        if caller.identity.role == Role.ROLE_STAFF and owner == caller.identity.region:
            said = self._application.respond(
                caller, request.ticket_id, request.text, asks=request.ask_customer, asks_region=request.ask_region
            )
            return api.RespondToComplaintResponse(complaint=await said)
        if request.ask_customer:
            raise Refused(Reason.REASON_COMPLAINT_NOT_RESPONSIBLE, region=owner)
        asked.respond.text, asked.respond.asks_region = request.text, request.ask_region
        return api.RespondToComplaintResponse(
            complaint=await self._application.command(caller, asked, patience(request.wait))
        )

    async def AddPrivateNote(
        self,
        request: api.AddPrivateNoteRequest,
        context: grpc.aio.ServicerContext[api.AddPrivateNoteRequest, api.AddPrivateNoteResponse],
    ) -> api.AddPrivateNoteResponse:
        """See the contract."""
        require_length("text", request.text, rules.NOTE_LIMIT, required=True)
        noted = self._application.note_privately(calling(request.request_id), request.ticket_id, request.text)
        return api.AddPrivateNoteResponse(private_notes=await noted)

    async def ProposeResolution(
        self,
        request: api.ProposeResolutionRequest,
        context: grpc.aio.ServicerContext[api.ProposeResolutionRequest, api.ProposeResolutionResponse],
    ) -> api.ProposeResolutionResponse:
        """See the contract."""
        resolution = Resolution(text=request.text, cause_code=request.cause_code, remedy=request.remedy)
        if request.HasField("amount"):
            resolution.amount.CopyFrom(request.amount)
        proposing = self._application.propose(calling(request.request_id), request.ticket_id, resolution)
        return api.ProposeResolutionResponse(complaint=await proposing)

    async def ReturnComplaint(
        self,
        request: api.ReturnComplaintRequest,
        context: grpc.aio.ServicerContext[api.ReturnComplaintRequest, api.ReturnComplaintResponse],
    ) -> api.ReturnComplaintResponse:
        """See the contract."""
        require_length("text", request.text, rules.NOTE_LIMIT, required=True)
        rules.require_return(request.reason)
        returning = self._application.give_back(
            calling(request.request_id), request.ticket_id, request.reason, request.text
        )
        return api.ReturnComplaintResponse(complaint=await returning)

    async def AcceptResolution(
        self,
        request: api.AcceptResolutionRequest,
        context: grpc.aio.ServicerContext[api.AcceptResolutionRequest, api.AcceptResolutionResponse],
    ) -> api.AcceptResolutionResponse:
        """See the contract."""
        rules.require_rating(request.rating)
        asked = _command(request.ticket_id, request.requester)
        asked.accept.rating = request.rating
        complaint = await self._application.command(calling(request.request_id), asked, patience(request.wait))
        return api.AcceptResolutionResponse(complaint=complaint)

    async def RefuseResolution(
        self,
        request: api.RefuseResolutionRequest,
        context: grpc.aio.ServicerContext[api.RefuseResolutionRequest, api.RefuseResolutionResponse],
    ) -> api.RefuseResolutionResponse:
        """See the contract."""
        require_length("reason", request.reason, rules.NOTE_LIMIT, required=True)
        asked = _command(request.ticket_id, request.requester)
        asked.refuse.reason, asked.refuse.to_regulator = request.reason, request.to_regulator
        complaint = await self._application.command(calling(request.request_id), asked, patience(request.wait))
        return api.RefuseResolutionResponse(complaint=complaint)

    async def WithdrawComplaint(
        self,
        request: api.WithdrawComplaintRequest,
        context: grpc.aio.ServicerContext[api.WithdrawComplaintRequest, api.WithdrawComplaintResponse],
    ) -> api.WithdrawComplaintResponse:
        """See the contract."""
        require_length("reason", request.reason, rules.NOTE_LIMIT, required=True)
        asked = _command(request.ticket_id, request.requester)
        asked.withdraw.reason = request.reason
        complaint = await self._application.command(calling(request.request_id), asked, patience(request.wait))
        return api.WithdrawComplaintResponse(complaint=complaint)

    async def ExpediteComplaint(
        self,
        request: api.ExpediteComplaintRequest,
        context: grpc.aio.ServicerContext[api.ExpediteComplaintRequest, api.ExpediteComplaintResponse],
    ) -> api.ExpediteComplaintResponse:
        """See the contract."""
        asked = _command(request.ticket_id, request.requester)
        asked.expedite.SetInParent()
        complaint = await self._application.command(calling(request.request_id), asked, patience(request.wait))
        return api.ExpediteComplaintResponse(complaint=complaint)

    async def SettleRemedy(
        self,
        request: api.SettleRemedyRequest,
        context: grpc.aio.ServicerContext[api.SettleRemedyRequest, api.SettleRemedyResponse],
    ) -> api.SettleRemedyResponse:
        """See the contract."""
        if not request.HasField("again"):
            require_length("otherwise", request.otherwise, rules.NOTE_LIMIT, required=True)
        complaint = await self._application.settle_remedy(calling(request.request_id), request)
        return api.SettleRemedyResponse(complaint=complaint)

    async def WatchComplaint(
        self,
        request: api.WatchComplaintRequest,
        context: grpc.aio.ServicerContext[api.WatchComplaintRequest, api.WatchComplaintResponse],
    ) -> AsyncIterator[api.WatchComplaintResponse]:
        """See the contract."""
        identity, reading = current_call().identity, audited_call(request.requester, self._clock)
        key = decode_token(_WATCH, request.token)

        def start(tx: Transaction) -> int:
            if request.ticket_id:
                handling.find_for(tx, request.ticket_id, identity)
            sequence = EVENTS.resumed_after(tx, key) if key else EVENTS.last(tx)
            reading.record(tx, "WatchComplaint", request.ticket_id or "-")
            return sequence

        with self._changes.watch(identity) as changed:
            sequence = await self._store.write(start)
            yield api.WatchComplaintResponse(token=encode_token(_WATCH, str(sequence)))
            async for change in self._follower.follow(changed, sequence, request.ticket_id):
                if change.now is not None and handling.is_visible(change.now, identity):
                    token = encode_token(_WATCH, str(change.sequence))
                    yield api.WatchComplaintResponse(token=token, complaint=change.now)


def _command(ticket_id: str, requester: Requester) -> ComplaintCommand:
    return ComplaintCommand(ticket_id=ticket_id, requester=reading_requester(requester))


def _normalised(request: ComplaintRequest) -> ComplaintRequest:
    """The filing in the form in which it is compared, sent and stored. Raises Refused for a bad form."""
    rules.require_filing(request)
    filed = ComplaintRequest()
    filed.CopyFrom(request)
    filed.requester.CopyFrom(reading_requester(request.requester))
    filed.number = normalize(request.number)
    if request.contact_number:
        filed.contact_number = normalize(request.contact_number)
    return filed


def _as_of(request: api.ListComplaintsRequest) -> datetime | None:
    """The instant of a query. Raises Refused for an invalid one."""
    try:
        return from_timestamp(request.as_of_time) if request.HasField("as_of_time") else None
    except OverflowError:
        raise invalid("as_of_time", "out of range", "超出范围") from None
