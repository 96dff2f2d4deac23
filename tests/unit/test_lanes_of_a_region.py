"""The lanes of a region as its report tells them: at the console, and in the lines below a list."""

from datetime import timedelta

from coordinator.wording.members import waiting_lines
from gateway.api.coordinator.v1.administration_pb2 import ListRegionsResponse
from gateway.api.federation.v1.federation_pb2 import (
    EnvelopesInFlight,
    Member,
    NodeReport,
    OpenBreaker,
    WaitingEnvelopes,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.time.clock import to_timestamp
from tests.unit.console_pages import NOW, Answering, shown_by, visit
from tests.unit.test_coordinator_console import ADMIN, CONSOLE, view_of

SINCE = to_timestamp(NOW - timedelta(minutes=5))


def waiting(destination: str, reason: Reason.ValueType) -> WaitingEnvelopes:
    return WaitingEnvelopes(destination=destination, reason=reason, count=2, create_time=SINCE)


def lanes(report: NodeReport) -> list[list[str]]:
    """The rows of the table of lanes on the page of the region, each cell with its note."""
    answer = ListRegionsResponse(members=[Member(region="sichuan", report=report)])
    shown = shown_by(CONSOLE, view_of("/regions/{region}"), visit("", ADMIN, region="sichuan"), Answering(answer))
    [rows] = [each.rows for each in shown.tables if each.label == "通道"] or [[]]
    return [[f"{cell.text} {cell.note}".strip() for cell in row] for row in rows]


def breaker_notes(*failures: str) -> list[str]:
    """The last cells of destinations that are not reached, without the time."""
    told = [OpenBreaker(destination="henan", open_time=SINCE, failure=each) for each in failures]
    return [row[-1].partition("：")[2] for row in lanes(NodeReport(open_breakers=told))]


def test_a_lane_shows_its_envelopes_in_flight_once_beside_those_that_wait() -> None:
    report = NodeReport(
        in_flight=[EnvelopesInFlight(destination=each, count=1_300) for each in ("guangdong", "henan", "hunan")],
        waiting=[waiting("henan", reason) for reason in (Reason.REASON_TOO_BUSY, Reason.REASON_UPGRADE_REQUIRED)],
        open_breakers=[OpenBreaker(destination="hunan", open_time=SINCE, failure="UNAVAILABLE", waiting=1_400)],
    )
    rows = lanes(report)
    assert [row[1:3] for row in rows] == [["1,300", "1,400"], ["1,300", "2"], ["", "2"], ["1,300", ""]]
    assert len({row[0] for row in rows}) == 3
    assert [bool(row[-1]) for row in rows] == [True, True, True, False]


def test_a_stopped_lane_says_why_by_the_text_of_a_reason_or_by_the_name_of_a_status() -> None:
    suspended, status, later = breaker_notes("REGION_SUSPENDED", "DEADLINE_EXCEEDED", "REASON_OF_A_LATER_VERSION")
    assert suspended.startswith("REGION_SUSPENDED: ")
    assert (status, later) == ("无应答（DEADLINE_EXCEEDED）", "无应答（REASON_OF_A_LATER_VERSION）")


def test_the_lanes_of_a_node_that_tells_neither_have_empty_cells() -> None:
    report = NodeReport(
        waiting=[waiting("henan", Reason.REASON_TOO_BUSY)],
        open_breakers=[OpenBreaker(destination="hunan", open_time=SINCE)],
    )
    assert [row[1:3] for row in lanes(report)] == [["", ""], ["", "2"]]
    assert breaker_notes("") == [""]
    assert lanes(NodeReport()) == []


def test_the_line_of_a_destination_that_is_not_reached_says_what_waits_and_the_cause_where_they_are_known() -> None:
    def line(failure: str, waiting: int | None = None) -> str:
        breaker = OpenBreaker(destination="henan", open_time=SINCE, failure=failure, waiting=waiting)
        report = NodeReport(open_breakers=[breaker], in_flight=[EnvelopesInFlight(destination="henan", count=1)])
        [told] = waiting_lines([Member(region="sichuan", report=report)])
        return told

    assert line("UNAVAILABLE") == line("UNAVAILABLE", 0) == line("") + ": no answer, UNAVAILABLE"
    assert line("UNAVAILABLE", 7) == line("") + " (envelopes that wait: 7): no answer, UNAVAILABLE"
