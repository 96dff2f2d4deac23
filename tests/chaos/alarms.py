"""Alarms of the mixed load: the reports of systems that watch the network, and what coordinators know in the end."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

import grpc

from coordinator.registry.etcd.client import EtcdClient
from coordinator.registry.etcd.keys import Keys
from coordinator.registry.etcd.settings import EtcdSettings
from coordinator.registry.etcd.values import decode_network_event
from deploy.local.etcd import LocalEtcd
from deploy.local.federation import FEDERATION
from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity
from gateway.api.region.v1.alarm_pb2 import Alarm, AlarmState, AlarmType, NetworkObject
from gateway.api.region.v1.alarm_service_pb2 import AlarmReport, SendAlarmsRequest
from gateway.api.region.v1.alarm_service_pb2_grpc import AlarmServiceStub
from gateway.errors import Refused, Unreachable, from_rpc_error
from gateway.time.clock import SystemClock, to_timestamp
from region_node.network.problems.port import event_id
from tests.chaos.checking import Known

_SITES = {"guangdong": "guangzhou", "sichuan": "chengdu", "henan": "zhengzhou"}
_RAISED, _CLEARED = AlarmState.ALARM_STATE_RAISED, AlarmState.ALARM_STATE_CLEARED


@dataclass(frozen=True)
class Report:
    """A report on a trouble, always with the same number in its stream."""

    region: str
    source: str
    sequence: int
    content: AlarmReport


class Troubles:
    """Streams of reports: a trouble is raised, and the next report of its stream clears it."""

    def __init__(self) -> None:
        self.are_over: dict[str, dict[str, bool]] = {region: {} for region in _SITES}
        """The troubles whose reports were accepted, by region and by their ids at the system."""
        self._reports: Counter[str] = Counter()

    def next(self, region: str, source: str) -> Report:
        """The next report of a stream."""
        self._reports[source] += 1
        sequence = self._reports[source]
        trouble, is_new = divmod(sequence + 1, 2)
        content = AlarmReport(
            external_id=f"{source}.{trouble}",
            state=_CLEARED if is_new else _RAISED,
            event_time=to_timestamp(datetime.now(UTC)),
        )
        if not is_new:
            content.alarmed_object.CopyFrom(NetworkObject(site=_SITES[region]))
            content.alarm_type = AlarmType.ALARM_TYPE_EQUIPMENT
            content.perceived_severity = PerceivedSeverity.PERCEIVED_SEVERITY_MINOR
            content.probable_cause = "coolingFanFailure"
        return Report(region, source, sequence, content)

    def accepted(self, report: Report) -> None:
        """Takes in that the region has a report. A raising one may be repeated after the clearing one."""
        those, trouble = self.are_over[report.region], report.content.external_id
        those[trouble] = those.get(trouble, False) or report.content.state == _CLEARED


async def send(report: Report, channel: grpc.aio.Channel, seconds: float) -> None:
    """Sends a report. Raises Refused, also with the reason for which it is rejected, and Unreachable."""
    opening = SendAlarmsRequest(source=report.source)
    piece = SendAlarmsRequest(first_sequence=report.sequence, reports=[report.content])
    try:
        answers = [each async for each in AlarmServiceStub(channel).SendAlarms(iter([opening, piece]), timeout=seconds)]
    except grpc.aio.AioRpcError as error:
        if (refused := from_rpc_error(error)) is not None:
            raise refused from None
        raise Unreachable(f"{error.code().name}: {error.details()}", error.code().name) from None
    for answer in answers:
        for rejected in answer.rejected:
            raise Refused(rejected.reason)
    if not answers or answers[-1].last_sequence < report.sequence:
        raise Unreachable("the report is not answered")


def stored(body: object) -> tuple[str, str, Known]:
    """An alarm as its region has it: its id at the system, that at the coordinators, and its state."""
    assert isinstance(body, bytes)
    alarm = Alarm.FromString(body)
    region, _, key = alarm.id.partition("/")
    known = Known(alarm.version, is_over=alarm.state == _CLEARED)
    return alarm.external_id, event_id(region, "alarm", key), known


async def known_to_coordinators(etcd: LocalEtcd) -> dict[str, Known]:
    """The alarms in the registry of the coordinators, by their ids there."""
    client = EtcdClient(EtcdSettings(etcd.endpoints, etcd.credentials()), SystemClock())
    try:
        entries = (await client.read([Keys(FEDERATION).network_events])).entries
    finally:
        await client.close()
    events = [decode_network_event(each.value) for each in entries.values()]
    return {
        each.id: Known(each.version, is_over=each.HasField("clear_time")) for each in events if "/alarm/" in each.id
    }
