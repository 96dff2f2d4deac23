"""QuarantineService: quarantined work, for the region's own staff."""

import grpc

from gateway.api.region.v1 import quarantine_service_pb2 as api
from gateway.api.region.v1.quarantine_service_pb2_grpc import QuarantineServiceServicer
from gateway.api.types.v1.types_pb2 import Requester
from gateway.federation.body import QUARANTINED_WORK
from gateway.relay import setting_aside
from gateway.rpc.pages import dated_key, dated_place, decode_token, first_page, page_size
from gateway.store import quarantine
from gateway.store.port import Store, Transaction
from gateway.store.quarantine import QuarantinedWork
from gateway.time.clock import Clock, from_microseconds, to_timestamp
from region_node.approvals.operations import Awaited
from region_node.care.quarantine.operations import Quarantine
from region_node.requests.auditing import audited_call
from region_node.requests.checks import require_length, require_name

_PAGE = "quarantined-work"
_ID_LENGTH = 512


class QuarantineService(QuarantineServiceServicer):
    """See the contract."""

    def __init__(self, work: Quarantine, store: Store, clock: Clock) -> None:
        self._work = work
        self._store = store
        self._clock = clock

    async def ListQuarantinedWork(
        self,
        request: api.ListQuarantinedWorkRequest,
        context: grpc.aio.ServicerContext[api.ListQuarantinedWorkRequest, api.ListQuarantinedWorkResponse],
    ) -> api.ListQuarantinedWorkResponse:
        """See the contract."""
        size, place = page_size(request.page_size), dated_place(decode_token(_PAGE, request.page_token)) or (-1, "")
        found = await self._store.read(lambda tx: quarantine.work_after(tx, place, size + 1, is_all=request.all))
        page, token = first_page(
            _PAGE, found, size, lambda each: dated_key(from_microseconds(each.due_time), each.work_id)
        )
        return api.ListQuarantinedWorkResponse(work=[_told(each) for each in page], next_page_token=token)

    async def GetQuarantinedWork(
        self,
        request: api.GetQuarantinedWorkRequest,
        context: grpc.aio.ServicerContext[api.GetQuarantinedWorkRequest, api.GetQuarantinedWorkResponse],
    ) -> api.GetQuarantinedWorkResponse:
        """See the contract."""
        _require_id(request.work_id)

        def look(tx: Transaction) -> tuple[QuarantinedWork, int]:
            work = quarantine.require(tx, request.work_id)
            return work, setting_aside.held_up(tx, work) if work.source == quarantine.ENVELOPE else 0

        found, held_up = await self._store.read(look)
        node, now = self._work.context, self._clock.now()
        on_duty = node.federation.body.lead_on_duty(QUARANTINED_WORK, node.region, "", now)
        return api.GetQuarantinedWorkResponse(work=_told(found), on_duty=on_duty, held_up=held_up)

    async def ReplayQuarantinedWork(
        self,
        request: api.ReplayQuarantinedWorkRequest,
        context: grpc.aio.ServicerContext[api.ReplayQuarantinedWorkRequest, api.ReplayQuarantinedWorkResponse],
    ) -> api.ReplayQuarantinedWorkResponse:
        """See the contract."""
        _require_id(request.work_id)
        if request.reference:
            require_name("reference", request.reference)
        call = audited_call(Requester(), self._clock)
        replayed = await self._store.write(lambda tx: self._work.replay(tx, request.work_id, request.reference, call))
        return api.ReplayQuarantinedWorkResponse(work=_told(replayed))

    async def GiveUpQuarantinedWork(
        self,
        request: api.GiveUpQuarantinedWorkRequest,
        context: grpc.aio.ServicerContext[api.GiveUpQuarantinedWorkRequest, api.GiveUpQuarantinedWorkResponse],
    ) -> api.GiveUpQuarantinedWorkResponse:
        """See the contract."""
        _require_id(request.work_id)
        require_name("reference", request.reference)
        call = audited_call(Requester(), self._clock)
        given = await self._store.write(lambda tx: self._work.give_up(tx, request.work_id, request.reference, call))
        if isinstance(given, Awaited):
            raise given.refused(self._work.context)
        return api.GiveUpQuarantinedWorkResponse(work=_told(given))


def _require_id(work_id: str) -> None:
    require_length("work_id", work_id, _ID_LENGTH, required=True)


def _told(work: QuarantinedWork) -> api.QuarantinedWork:
    return api.QuarantinedWork(
        id=work.work_id,
        source=work.source,
        state=work.state,
        kind=work.kind,
        subject=work.subject,
        destination=work.destination,
        failure=work.failure,
        attempts=work.attempts,
        fail_time=to_timestamp(from_microseconds(work.fail_time)),
        quarantine_time=to_timestamp(from_microseconds(work.quarantine_time)),
        due_time=to_timestamp(from_microseconds(work.due_time)),
        reference=work.reference,
        decider=work.decider,
        decide_time=None if work.decide_time is None else to_timestamp(from_microseconds(work.decide_time)),
        answered=bool(work.is_answered),
    )
