"""AlarmService: alarms in by streams, and out to the staff of the network."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from functools import partial

import grpc

from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity
from gateway.api.region.v1 import alarm_service_pb2 as api
from gateway.api.region.v1.alarm_pb2 import Alarm, AlarmState
from gateway.api.region.v1.alarm_service_pb2 import AlarmReport
from gateway.api.region.v1.alarm_service_pb2_grpc import AlarmServiceServicer
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import Refused, invalid
from gateway.rpc.calls import current_call
from gateway.rpc.pages import decode_token, encode_token, key_number, page_size, sequence_after
from gateway.store.port import CommittedElsewhere, Store, Transaction
from gateway.time.clock import Clock
from region_node.network.measurements import alarms
from region_node.network.measurements.alarm_feed import ALARM_FEED
from region_node.network.measurements.alarm_rows import (
    ALARMS,
    AlarmChanged,
    AlarmFilter,
    last_change,
    list_alarms,
    require_alarm,
)
from region_node.network.measurements.objects import key_of, object_by_id
from region_node.network.measurements.streams import (
    Piece,
    PieceStream,
    Rejected,
    rejected_items,
    require_piece,
    require_source,
)
from region_node.node.context import RegionContext
from region_node.records.listing import Position
from region_node.records.watches import Follower
from region_node.requests.auditing import audited_call
from region_node.requests.changes import Changes
from region_node.requests.checks import require_name

PIECE_LIMIT = 500  # reports in one message
_MOST_IDS = 500  # alarms in one acknowledgement
_PAGE, _WATCH = "alarms", "alarm-changes"
_Act = Callable[[Transaction, RegionContext, Sequence[str], str, datetime], list[Alarm]]


class AlarmService(AlarmServiceServicer):
    """See the contract."""

    def __init__(self, context: RegionContext, store: Store, changes: Changes, clock: Clock) -> None:
        self._context = context
        self._store = store
        self._changes = changes
        self._follower = Follower(store, changes, ALARM_FEED)
        self._clock = clock
        store.subscribe(AlarmChanged, lambda _: changes.wake_watchers())
        store.subscribe(CommittedElsewhere, self._committed_elsewhere)

    async def SendAlarms(  # noqa: N802 - named by the contract
        self,
        request_iterator: AsyncIterator[api.SendAlarmsRequest],
        context: grpc.aio.ServicerContext[api.SendAlarmsRequest, api.SendAlarmsResponse],
    ) -> AsyncIterator[api.SendAlarmsResponse]:
        """See the contract."""
        first = await anext(request_iterator, None) or api.SendAlarmsRequest()
        require_source(first.source, is_alone=not first.reports and not first.first_sequence)
        if not self._store.accepts_new_work():
            raise Refused(Reason.REASON_STORE_UNAVAILABLE)
        sender = (current_call().identity.name, first.source)

        def taken(tx: Transaction, piece: Piece[AlarmReport]) -> Sequence[Rejected]:
            return alarms.take(tx, self._context, sender, piece, self._clock.now())

        pieces = PieceStream(self._store, self._clock, f"alarms {sender[0]} {sender[1]}", taken)
        async for answer in pieces.answers(_pieces(request_iterator)):
            yield api.SendAlarmsResponse(last_sequence=answer.last_sequence, rejected=rejected_items(answer.rejected))

    async def ReportAlarm(  # noqa: N802 - named by the contract
        self,
        request: api.ReportAlarmRequest,
        context: grpc.aio.ServicerContext[api.ReportAlarmRequest, api.ReportAlarmResponse],
    ) -> api.ReportAlarmResponse:
        """See the contract."""
        require_name("source", request.source)
        report = request.report
        if request.object_id:
            if report.HasField("alarmed_object"):
                raise invalid("object_id", "the report names the object", "报告已指明对象")
            if report.state != AlarmState.ALARM_STATE_CLEARED:
                report.alarmed_object.CopyFrom(object_by_id(self._context.federation.network, request.object_id))
        if not self._store.accepts_new_work():
            raise Refused(Reason.REASON_STORE_UNAVAILABLE)
        sender = (current_call().identity.name, request.source)
        now = self._clock.now()
        found = await self._store.write(lambda tx: alarms.report_one(tx, self._context, sender, report, now))
        return api.ReportAlarmResponse(alarm=found)

    async def GetAlarm(  # noqa: N802 - named by the contract
        self,
        request: api.GetAlarmRequest,
        context: grpc.aio.ServicerContext[api.GetAlarmRequest, api.GetAlarmResponse],
    ) -> api.GetAlarmResponse:
        """See the contract."""
        found = await self._store.read(lambda tx: require_alarm(tx, request.alarm_id))
        return api.GetAlarmResponse(alarm=found)

    async def ListAlarms(  # noqa: N802 - named by the contract
        self,
        request: api.ListAlarmsRequest,
        context: grpc.aio.ServicerContext[api.ListAlarmsRequest, api.ListAlarmsResponse],
    ) -> api.ListAlarmsResponse:
        """See the contract."""
        size, key = page_size(request.page_size), decode_token(_PAGE, request.page_token)
        before = key_number(key) if key else None
        if request.least_severity not in PerceivedSeverity.values():
            raise invalid("least_severity", "not known", "未知")
        wanted = AlarmFilter(
            request.include_cleared,
            request.unacknowledged,
            key_of(request.alarmed_object),
            request.least_severity,
            request.in_reverse,
        )
        position = Position(request.skip, counts=request.show_total_size)
        page = await self._store.read(lambda tx: list_alarms(tx, wanted, before, size, position))
        token = encode_token(_PAGE, page.following)
        return api.ListAlarmsResponse(alarms=page.items, next_page_token=token, total_size=page.total)

    async def AcknowledgeAlarms(  # noqa: N802 - named by the contract
        self,
        request: api.AcknowledgeAlarmsRequest,
        context: grpc.aio.ServicerContext[api.AcknowledgeAlarmsRequest, api.AcknowledgeAlarmsResponse],
    ) -> api.AcknowledgeAlarmsResponse:
        """See the contract."""
        found = await self._done_to_each(request.alarm_ids, "AcknowledgeAlarm", alarms.acknowledge)
        return api.AcknowledgeAlarmsResponse(alarms=found)

    async def ClearAlarms(  # noqa: N802 - named by the contract
        self,
        request: api.ClearAlarmsRequest,
        context: grpc.aio.ServicerContext[api.ClearAlarmsRequest, api.ClearAlarmsResponse],
    ) -> api.ClearAlarmsResponse:
        """See the contract."""
        found = await self._done_to_each(request.alarm_ids, "ClearAlarm", alarms.clear)
        return api.ClearAlarmsResponse(alarms=found)

    async def WatchAlarms(  # noqa: N802 - named by the contract
        self,
        request: api.WatchAlarmsRequest,
        context: grpc.aio.ServicerContext[api.WatchAlarmsRequest, api.WatchAlarmsResponse],
    ) -> AsyncIterator[api.WatchAlarmsResponse]:
        """See the contract."""
        key = decode_token(_WATCH, request.token)
        with self._changes.watch(current_call().identity) as changed:
            sequence = await self._store.read(partial(_watch_start, key=key))
            yield api.WatchAlarmsResponse(token=encode_token(_WATCH, str(sequence)))
            async for change in self._follower.follow(changed, sequence):
                yield api.WatchAlarmsResponse(alarm=change.now, token=encode_token(_WATCH, str(change.sequence)))

    async def _done_to_each(self, alarm_ids: Sequence[str], action: str, act: _Act) -> list[Alarm]:
        """Executes a staff member's action on alarms, with an audit row for each."""
        ids = list(dict.fromkeys(alarm_ids))
        if not 0 < len(ids) <= _MOST_IDS:
            raise invalid("alarm_ids", f"not 1 to {_MOST_IDS}", f"须为1至{_MOST_IDS}项")
        call = audited_call(Requester(), self._clock)

        def done(tx: Transaction) -> list[Alarm]:
            found = act(tx, self._context, ids, call.staff_id, call.now)
            call.record_each(tx, action, ids)
            return found

        return await self._store.write(done)

    def _committed_elsewhere(self, committed: CommittedElsewhere) -> None:
        if any(subject.startswith(ALARMS) for subject in committed.subjects):
            self._changes.wake_watchers()


async def _pieces(requests: AsyncIterator[api.SendAlarmsRequest]) -> AsyncIterator[Piece[AlarmReport]]:
    async for request in requests:
        require_piece(request.source, request.first_sequence, len(request.reports), PIECE_LIMIT)
        yield Piece(request.first_sequence, request.reports)


def _watch_start(tx: Transaction, key: str) -> int:
    """The change after which a watch begins. Raises Refused as `sequence_after`."""
    last = last_change(tx)
    return sequence_after(key, last) if key else last
