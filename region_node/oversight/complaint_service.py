"""ComplaintOversightService: coordinators' view of this region's complaints, and an administrator's escalation."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

import grpc

from gateway.api.region.v1 import complaint_oversight_service_pb2 as api
from gateway.api.region.v1.complaint_oversight_service_pb2_grpc import ComplaintOversightServiceServicer
from gateway.api.region.v1.complaint_pb2 import ClassifiedBy, Complaint
from gateway.auditing import audit
from gateway.errors import invalid
from gateway.federation.acts import ProvenAct
from gateway.rpc.calls import current_call
from gateway.rpc.pages import dated_place, decode_token, first_page, page_size, ticket_key
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock, to_microseconds
from gateway.time.months import require_month
from region_node.business.billing.rules import Month
from region_node.care.complaints import handling, rules
from region_node.care.complaints.classifying import Classification, classify
from region_node.care.complaints.escalation import REGULATOR, AdministratorsWish
from region_node.care.complaints.figure_rows import Filed, count_customers, counted_page
from region_node.care.complaints.figures import Tally
from region_node.care.complaints.headers import HeaderFilter, header_of, list_headers
from region_node.care.complaints.history import history
from region_node.care.complaints.rows import COMPLAINT, require_complaint
from region_node.node.context import RegionContext
from region_node.requests.administrators import Brought, acting, note_act, require_in_order
from region_node.requests.checks import require_length, require_request_id
from region_node.requests.rows import RequestKey, insert_request
from region_node.tickets.followed import known_request

_PAGE = 500  # complaints in one read, so that other work continues in between
_LONGEST = 3660 * 24 * 3600  # seconds ahead


class ComplaintOversightService(ComplaintOversightServiceServicer):
    """See the contract."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock) -> None:
        self._context = context
        self._store = store
        self._clock = clock

    async def ListComplaintHeaders(  # noqa: N802 - named by the contract
        self,
        request: api.ListComplaintHeadersRequest,
        context: grpc.aio.ServicerContext[api.ListComplaintHeadersRequest, api.ListComplaintHeadersResponse],
    ) -> api.ListComplaintHeadersResponse:
        """See the contract."""
        size, wanted = page_size(request.page_size), self._filter(request)
        kind = "due headers" if wanted.is_about_time else "headers"
        after = dated_place(decode_token(kind, request.page_token))
        found = await self._store.read(lambda tx: list_headers(tx, wanted, after, size + 1))
        complaints, token = first_page(kind, found, size, partial(ticket_key, by_due_time=wanted.is_about_time))
        return api.ListComplaintHeadersResponse(complaints=complaints, next_page_token=token)

    async def GetComplaintHistory(  # noqa: N802 - named by the contract
        self,
        request: api.GetComplaintHistoryRequest,
        context: grpc.aio.ServicerContext[api.GetComplaintHistoryRequest, api.GetComplaintHistoryResponse],
    ) -> api.GetComplaintHistoryResponse:
        """See the contract."""
        complaint = await self._store.read(lambda tx: require_complaint(tx, request.ticket_id).complaint)
        told = history(complaint, self._clock.now(), self._context.federation.working_hours)
        return api.GetComplaintHistoryResponse(complaint=told)

    async def RaiseComplaint(  # noqa: N802 - named by the contract
        self,
        request: api.RaiseComplaintRequest,
        context: grpc.aio.ServicerContext[api.RaiseComplaintRequest, api.RaiseComplaintResponse],
    ) -> api.RaiseComplaintResponse:
        """See the contract."""
        require_request_id(request.request_id)
        require_length("reason", request.reason, rules.NOTE_LIMIT, required=True)
        if not 1 <= request.level <= REGULATOR:
            raise invalid("level", f"not 1 to {REGULATOR}", f"须为1至{REGULATOR}")
        act, through = self._acting(request, is_anywhere=True), current_call().identity.path
        complaint = await self._store.write(lambda tx: self._raised(tx, request, act, through))
        return api.RaiseComplaintResponse(complaint=header_of(complaint))

    async def ReclassifyComplaint(  # noqa: N802 - named by the contract
        self,
        request: api.ReclassifyComplaintRequest,
        context: grpc.aio.ServicerContext[api.ReclassifyComplaintRequest, api.ReclassifyComplaintResponse],
    ) -> api.ReclassifyComplaintResponse:
        """See the contract."""
        require_request_id(request.request_id)
        require_length("category", request.category, rules.CODE_LIMIT, required=True)
        require_length("reason", request.reason, rules.NOTE_LIMIT, required=True)
        act, through = self._acting(request, is_anywhere=False), current_call().identity.path
        complaint = await self._store.write(lambda tx: self._reclassified(tx, request, act, through))
        return api.ReclassifyComplaintResponse(complaint=header_of(complaint))

    async def CountComplaints(  # noqa: N802 - named by the contract
        self,
        request: api.CountComplaintsRequest,
        context: grpc.aio.ServicerContext[api.CountComplaintsRequest, api.CountComplaintsResponse],
    ) -> api.CountComplaintsResponse:
        """See the contract. Each page is a read of its own: the complaints of a month never change their order."""
        require_month("month", request.month)
        month = Month.of(request.month, self._context.time_zone)
        return api.CountComplaintsResponse(
            customers=await self._store.read(count_customers),
            counts=await self._counted(self._context.region, month),
        )

    async def CountFormerComplaints(  # noqa: N802 - named by the contract
        self,
        request: api.CountFormerComplaintsRequest,
        context: grpc.aio.ServicerContext[api.CountFormerComplaintsRequest, api.CountFormerComplaintsResponse],
    ) -> api.CountFormerComplaintsResponse:
        """See the contract. It reads pages, as CountComplaints."""
        require_month("month", request.month)
        own = self._context.region
        self._context.federation.require_former("regions", request.regions, own)
        month = Month.of(request.month, self._context.time_zone)
        return api.CountFormerComplaintsResponse(
            former=[
                api.FormerComplaints(region=each, counts=await self._counted(each, month, origin=own))
                for each in request.regions
            ]
        )

    async def _counted(self, owner: str, month: Month, origin: str = "") -> Sequence[api.ComplaintCount]:
        now, start = to_microseconds(self._clock.now()), to_microseconds(month.start)
        filed = Filed(owner, start, to_microseconds(month.end), now, origin)
        tally, after = Tally(ZoneInfo(month.time_zone)), (start, "")
        while True:
            found = await self._store.read(
                lambda tx, after=after: counted_page(tx, filed, after, _PAGE)  # type: ignore[misc]
            )
            tally.take(found)
            if len(found) < _PAGE:
                return tally.counts()
            after = (found[-1].create_time, found[-1].ticket_id)

    def _filter(self, request: api.ListComplaintHeadersRequest) -> HeaderFilter:
        within = None
        if request.HasField("due_within"):
            if not 0 < request.due_within.seconds <= _LONGEST:
                raise invalid("due_within", "not a second to ten years", "须为一秒至十年")
            within = request.due_within.ToTimedelta()
        return HeaderFilter(
            now=self._clock.now(),
            overdue=request.overdue,
            due_within=within,
            unclassified=request.unclassified,
            level=min(request.level, REGULATOR + 1),
            region=request.region,
            category=request.category,
            group_id=request.group_id,
            include_ended=request.include_ended,
        )

    def _acting(self, request: Brought, *, is_anywhere: bool) -> ProvenAct:
        return acting(self._context, request, self._clock.now(), is_anywhere=is_anywhere)

    def _raised(self, tx: Transaction, request: api.RaiseComplaintRequest, act: ProvenAct, through: str) -> Complaint:
        """Raises a complaint once."""
        now, content = self._clock.now(), f"raise\0{request.ticket_id}\0{request.level}\0{request.reason}"
        wanted = AdministratorsWish(request.level, request.reason, act.administrator)
        decided = _Decided(act, request.request_id, request.ticket_id, content, "RaiseComplaint")
        return decided.once(
            tx,
            now,
            lambda: handling.raise_for_administrator(tx, self._context, request.ticket_id, wanted, now),
            f"level {request.level}, through {through}",
        )

    def _reclassified(
        self, tx: Transaction, request: api.ReclassifyComplaintRequest, act: ProvenAct, through: str
    ) -> Complaint:
        """Reclassifies a complaint once."""
        now, content = self._clock.now(), f"classify\0{request.ticket_id}\0{request.category}\0{request.reason}"
        by = ClassifiedBy.CLASSIFIED_BY_ADMINISTRATOR
        wanted = Classification(request.ticket_id, request.category, request.reason, act.administrator, by)
        decided = _Decided(act, request.request_id, request.ticket_id, content, "ReclassifyComplaint")
        return decided.once(tx, now, lambda: classify(tx, self._context, wanted, now), f"through {through}")


@dataclass(frozen=True)
class _Decided:
    """An administrator's decision: executed once per request id, with its row in the audit chain."""

    act: ProvenAct
    request_id: str
    ticket_id: str
    content: str = field(repr=False)
    action: str

    def once(self, tx: Transaction, now: datetime, decide: Callable[[], Complaint], detail: str) -> Complaint:
        """The complaint after the decision. Raises Refused, also for the same id with other content."""
        key = RequestKey(self.act.administrator, self.request_id, hashlib.sha256(self.content.encode()).digest())
        if (known := known_request(COMPLAINT, tx, key)) is not None:
            return known
        require_in_order(tx, self.act, self.action, self.ticket_id)
        complaint = decide()
        insert_request(tx, key, complaint.ticket_id, settled=True, now=now)
        actor, proven = self.act.administrator, self.act.noted(detail)
        audit.append(tx, now=now, actor=actor, action=self.action, subject=complaint.ticket_id, detail=proven)
        note_act(tx, self.act, self.action, self.ticket_id, now)
        return complaint
