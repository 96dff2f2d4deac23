"""Notices of alerts to people on duty, which belong to no ticket, end a year after their delivery."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from region_node.care.anomalies.watching import look
from region_node.care.escalations.rows import add_notices, claim, note_delivered
from tests.unit.purging import NOW, Archive, archive
from tests.unit.test_anomalies import CLERK, bound, count

SINK, DAY = "desk", timedelta(days=1)


@pytest.fixture(name="kept")
def what_a_region_keeps() -> Iterator[Archive]:
    with archive() as found:
        found.context = replace(found.context, sinks={SINK: 1})
        yield found


def delivered(kept: Archive) -> None:
    for each in claim(kept.tx, SINK, NOW, 10, DAY):
        note_delivered(kept.tx, each, NOW)


def night(kept: Archive, now: datetime) -> None:
    for kind in kept.registry.kinds:
        kind.retention.forget(kept.tx, now)


def test_the_notice_of_an_anomaly_ends_a_year_after_its_delivery_and_one_that_waits_for_a_sink_stays(
    kept: Archive,
) -> None:
    count(kept, CLERK, failures=bound(kept, "failures-of-staff") + 1)
    look(kept.tx, kept.context, NOW)
    night(kept, NOW + 400 * DAY)
    assert kept.count("escalation_notices") == 1
    delivered(kept)
    night(kept, NOW + 365 * DAY)
    assert kept.count("escalation_notices") == 1
    night(kept, NOW + 366 * DAY)
    assert kept.count("escalation_notices") == 0


@pytest.mark.parametrize(
    "name",
    [
        *("quarantine/submit", "duty-readings/henan", "bill-readings/henan", "configuration/7/henan"),
        *("henan/settlement/sichuan/2030-06", "sichuan/settlement/yunnan/2030-06/payment"),
        *("complaint/1", "sichuan/1"),
    ],
)
def test_notices_of_work_readings_configurations_and_settlements_end_as_well_and_those_of_tickets_end_with_these(
    kept: Archive, name: str
) -> None:
    raised = RaisedComplaint(id=f"{name}/1", ticket_id=f"{name}/1", level=2)
    add_notices(kept.tx, kept.context, [raised], NOW, due=NOW)
    delivered(kept)
    night(kept, NOW + 366 * DAY)
    assert kept.count("escalation_notices") == (name in ("complaint/1", "sichuan/1"))
