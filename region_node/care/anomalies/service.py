"""AnomalyService: anomalies of this home region, for its own staff."""

import grpc

from gateway.api.region.v1 import anomaly_service_pb2 as api
from gateway.api.region.v1.anomaly_service_pb2_grpc import AnomalyServiceServicer
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import Refused, invalid
from gateway.rpc.pages import dated_key, dated_place, decode_token, first_page, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock, from_microseconds, to_microseconds, to_timestamp
from region_node.care.anomalies import rows
from region_node.care.anomalies.rows import Anomaly
from region_node.requests.auditing import AuditedCall, audited_call
from region_node.requests.checks import require_length, require_name
from region_node.requests.dealings import HOUR

_PAGE = "anomalies"
_ID_LENGTH = 256
_NEWEST = (2**62, "")
_WAITING = api.AnomalyState.ANOMALY_STATE_WAITING
_ACKNOWLEDGED = api.AnomalyState.ANOMALY_STATE_ACKNOWLEDGED


class AnomalyService(AnomalyServiceServicer):
    """See the contract."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def ListAnomalies(
        self,
        request: api.ListAnomaliesRequest,
        context: grpc.aio.ServicerContext[api.ListAnomaliesRequest, api.ListAnomaliesResponse],
    ) -> api.ListAnomaliesResponse:
        """See the contract."""
        size, place = page_size(request.page_size), dated_place(decode_token(_PAGE, request.page_token)) or _NEWEST
        found = await self._store.read(lambda tx: rows.before(tx, place, size + 1, is_all=request.all))
        page, token = first_page(_PAGE, found, size, lambda each: dated_key(from_microseconds(each.find_time), each.id))
        return api.ListAnomaliesResponse(anomalies=[_told(each) for each in page], next_page_token=token)

    async def AcknowledgeAnomaly(
        self,
        request: api.AcknowledgeAnomalyRequest,
        context: grpc.aio.ServicerContext[api.AcknowledgeAnomalyRequest, api.AcknowledgeAnomalyResponse],
    ) -> api.AcknowledgeAnomalyResponse:
        """See the contract."""
        require_length("anomaly_id", request.anomaly_id, _ID_LENGTH, required=True)
        require_name("reference", request.reference)
        if not request.finding or request.finding not in api.AnomalyFinding.values():
            raise invalid("finding", "not set, or unknown", "未填写或未知")
        call = audited_call(Requester(), self._clock)
        done = await self._store.write(lambda tx: acknowledge(tx, request, call))
        return api.AcknowledgeAnomalyResponse(anomaly=_told(done))


def acknowledge(tx: Transaction, request: api.AcknowledgeAnomalyRequest, call: AuditedCall) -> Anomaly:
    """Records a finding. Raises Refused with ANOMALY_NOT_FOUND, or ANOMALY_ACKNOWLEDGED where there is another one."""
    known = rows.require(tx, request.anomaly_id)
    if known.finding:
        if (known.finding, known.reference) != (request.finding, request.reference):
            raise Refused(Reason.REASON_ANOMALY_ACKNOWLEDGED, anomaly=known.id, acknowledger=known.acknowledger)
        return known
    done = known._replace(
        finding=request.finding,
        reference=request.reference,
        acknowledger=call.staff_id,
        acknowledge_time=to_microseconds(call.now),
    )
    rows.update(tx, done)
    finding = api.AnomalyFinding.Name(request.finding)
    call.record(tx, "AcknowledgeAnomaly", known.id, f"{finding}, reference {request.reference}")
    return done


def _told(each: Anomaly) -> api.Anomaly:
    ended = each.acknowledge_time
    return api.Anomaly(
        id=each.id,
        cause=each.cause,
        state=_ACKNOWLEDGED if each.finding else _WAITING,
        region=each.region,
        operator=each.operator,
        staff_id=each.staff_id,
        begin_time=to_timestamp(from_microseconds(each.hour * HOUR * 1_000_000)),
        count=each.counted,
        most=each.most,
        find_time=to_timestamp(from_microseconds(each.find_time)),
        due_time=to_timestamp(from_microseconds(each.due_time)),
        finding=each.finding,
        reference=each.reference,
        acknowledger=each.acknowledger,
        acknowledge_time=None if ended is None else to_timestamp(from_microseconds(ended)),
    )
