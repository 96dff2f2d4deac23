"""A system of one region that measures its network and reports alarms."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity
from gateway.api.region.v1 import alarm_service_pb2 as alarm_api
from gateway.api.region.v1 import measurement_service_pb2 as api
from gateway.api.region.v1.alarm_pb2 import Alarm, AlarmState, AlarmType, NetworkObject
from gateway.api.region.v1.alarm_service_pb2_grpc import AlarmServiceStub
from gateway.api.region.v1.measurement_service_pb2_grpc import MeasurementServiceStub
from gateway.errors import reason_name
from gateway.time.clock import to_timestamp
from tests.federation.running import CALL_SECONDS, Federation

LINK = "chengdu-guangzhou-1"
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Probe:
    """The operator `probe` of a region, with one stream."""

    federation: Federation
    region: str
    source: str
    name: str = "operator/probe"

    @property
    def measuring(self) -> MeasurementServiceStub:
        """The measurement service of the region's node."""
        return MeasurementServiceStub(self.federation.dial_node(self.region, f"region/{self.region}/{self.name}"))

    @property
    def alarming(self) -> AlarmServiceStub:
        """The alarm service of the region's node."""
        return AlarmServiceStub(self.federation.dial_node(self.region, f"region/{self.region}/{self.name}"))

    async def send(
        self, measurements: Sequence[api.Measurement], *, first: int = 1, piece: int = 100
    ) -> list[api.SendMeasurementsResponse]:
        """Sends them in pieces; the answers, of which the first says how far the stream was."""
        requests = [
            api.SendMeasurementsRequest(first_sequence=first + at, measurements=measurements[at : at + piece])
            for at in range(0, len(measurements), piece)
        ]
        opening = api.SendMeasurementsRequest(source=self.source)
        call = self.measuring.SendMeasurements(iter([opening, *requests]), timeout=CALL_SECONDS)
        return [answer async for answer in call]

    async def send_until_cut(self, measurements: Sequence[api.Measurement], *, answers: int, piece: int = 100) -> int:
        """Sends them and hangs up after so many answers; the number of the last one that was acknowledged."""
        never = asyncio.Event()

        async def requests() -> AsyncIterator[api.SendMeasurementsRequest]:
            yield api.SendMeasurementsRequest(source=self.source)
            for at in range(0, len(measurements), piece):
                yield api.SendMeasurementsRequest(first_sequence=at + 1, measurements=measurements[at : at + piece])
            await never.wait()

        call = self.measuring.SendMeasurements(requests(), timeout=CALL_SECONDS)
        last = 0
        async for answer in call:
            last, answers = answer.last_sequence, answers - 1
            if not answers:
                call.cancel()
                break
        return last

    async def report(
        self, *reports: alarm_api.AlarmReport, first: int = 1, piece: int = 100
    ) -> list[alarm_api.SendAlarmsResponse]:
        """Sends reports of alarms; the answers."""
        requests = [
            alarm_api.SendAlarmsRequest(first_sequence=first + at, reports=reports[at : at + piece])
            for at in range(0, len(reports), piece)
        ]
        opening = alarm_api.SendAlarmsRequest(source=self.source)
        call = self.alarming.SendAlarms(iter([opening, *requests]), timeout=CALL_SECONDS)
        return [answer async for answer in call]

    async def alarms(self, *, include_cleared: bool = False, unacknowledged: bool = False) -> list[Alarm]:
        """The alarms of this stream, or of thresholds for the source `threshold`."""
        request = alarm_api.ListAlarmsRequest(
            page_size=500, include_cleared=include_cleared, unacknowledged=unacknowledged
        )
        found = await self.alarming.ListAlarms(request, timeout=CALL_SECONDS)
        return [each for each in found.alarms if each.source == self.source]


def measured(
    start: datetime,
    *,
    link: str = LINK,
    delay: int | None = 10_000,
    throughput: int | None = None,
    availability: int | None = None,
) -> api.Measurement:
    """The measurement of a minute."""
    return api.Measurement(
        link=link,
        start_time=to_timestamp(start),
        window_seconds=60,
        delay_us=delay,
        throughput_kbps=throughput,
        availability_ppm=availability,
    )


def minutes(start: datetime, count: int) -> list[api.Measurement]:
    """Measurements of consecutive minutes."""
    return [measured(start + MINUTE * number) for number in range(count)]


def raised(
    external_id: str, time: datetime, *, link: str = LINK, service_affecting: bool = True
) -> alarm_api.AlarmReport:
    """A critical alarm of a link."""
    return alarm_api.AlarmReport(
        external_id=external_id,
        state=AlarmState.ALARM_STATE_RAISED,
        event_time=to_timestamp(time),
        alarmed_object=NetworkObject(link=link),
        alarm_type=AlarmType.ALARM_TYPE_COMMUNICATIONS,
        perceived_severity=PerceivedSeverity.PERCEIVED_SEVERITY_CRITICAL,
        probable_cause="lossOfSignal",
        service_affecting=service_affecting,
    )


def cleared(external_id: str, time: datetime) -> alarm_api.AlarmReport:
    """The clearing of an alarm."""
    return alarm_api.AlarmReport(
        external_id=external_id, state=AlarmState.ALARM_STATE_CLEARED, event_time=to_timestamp(time)
    )


def told_of(
    answers: Sequence[api.SendMeasurementsResponse] | Sequence[alarm_api.SendAlarmsResponse], sequence: int
) -> str:
    """Why an item was not taken, in English; in no text of an answer is there any in the Chinese."""
    told = {each.sequence: each.message for answer in answers for each in answer.rejected}
    assert not [each.zh_cn for each in told.values() if re.search("[a-z]{2,} [a-z]{2,}", each.zh_cn)]
    return told[sequence].en


def rejected(
    answers: Sequence[api.SendMeasurementsResponse] | Sequence[alarm_api.SendAlarmsResponse],
) -> list[tuple[int, str]]:
    """The rejected items, with the reasons."""
    return [(each.sequence, reason_name(each.reason)) for answer in answers for each in answer.rejected]
