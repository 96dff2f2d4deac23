"""What one member tells that nobody honest would: it ends no process, and no loop that others need."""

import asyncio
import hashlib

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from coordinator.auditing import service as auditing
from coordinator.cases import rules as cases
from coordinator.problems import rules as problems
from coordinator.risks.change_detection import probability_of
from gateway.api.coordinator.v1.administration_pb2 import ChainVerdict
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent, NetworkEventKind
from gateway.api.federation.v1.federation_pb2 import AuditHead
from gateway.api.federation.v1.problem_pb2 import NetworkCondition, PerceivedSeverity
from gateway.api.region.v1.audit_service_pb2 import VerifyChainRequest, VerifyChainResponse
from gateway.api.region.v1.case_service_pb2 import CaseHeader
from gateway.api.region.v1.complaint_pb2 import WorkItem
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.incidents import contained
from tests.unit.network_events import event
from tests.unit.situations import FEDERATION

SITE = "guangzhou"
BEFORE_TIME, BEYOND_TIME = Timestamp(seconds=-62_135_596_800), Timestamp(seconds=2**60)


def refused_field(told: NetworkEvent) -> str:
    """The field for which an event of Guangdong is refused."""
    with pytest.raises(Refused, match="REQUEST_INVALID") as refused:
        problems.require_event(told, "guangdong", FEDERATION.network)
    return refused.value.parameters["field"]


def test_an_event_that_correlation_could_not_use_is_refused() -> None:
    problems.require_event(event("guangdong/alarm/1", sites=[SITE]), "guangdong", FEDERATION.network)
    found = []
    for change in (
        {"severity": -7},
        {"kind": -1},
        {"condition": -1},
        {"raise_time": BEFORE_TIME},
        {"clear_time": BEYOND_TIME},
        {"problem_id": "x" * 1_000},
    ):
        told = event("guangdong/alarm/1", sites=[SITE])
        told.MergeFrom(NetworkEvent(**change))
        found.append(refused_field(told))
    times = ["event.raise_time"] * 2
    assert found == ["event.severity", "event.kind", "event.condition", *times, "event.problem_id"]


def test_of_an_event_of_a_later_version_what_has_a_word_is_kept() -> None:
    told = event("guangdong/alarm/1", sites=[SITE])
    for field in ("kind", "severity", "condition"):
        setattr(told, field, 99)
    problems.require_event(told, "guangdong", FEDERATION.network)
    assert problems.condition_of(told) == problems.NO_CONDITION
    problems.take_known(told)
    assert (told.kind, told.severity, told.condition) == (
        NetworkEventKind.NETWORK_EVENT_KIND_ALARM,
        PerceivedSeverity.PERCEIVED_SEVERITY_INDETERMINATE,
        NetworkCondition.NETWORK_CONDITION_UNSPECIFIED,
    )


def test_a_case_with_a_time_beyond_the_calendar_is_refused() -> None:
    header = CaseHeader(ticket_id="guangdong/20260302-1", version=1, items=[WorkItem()], due_time=BEYOND_TIME)
    with pytest.raises(Refused, match="REQUEST_INVALID"):
        cases.require_header(header, "guangdong")


def test_absurd_counts_are_judged_at_once() -> None:
    assert probability_of(200_000_000, 1_000_000_000) == 0.0


def test_a_chain_that_never_ends_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditing, "LONGEST_WALK", 0.05)

    async def one_more(request: VerifyChainRequest) -> VerifyChainResponse:
        await asyncio.sleep(0)
        following = request.after.sequence + 1
        return VerifyChainResponse(head=AuditHead(sequence=following, hash=hashlib.sha256(b"any").digest()))

    verdict = asyncio.run(auditing.judged(ChainVerdict(region="sichuan"), [], one_more))
    assert verdict.reason == Reason.REASON_ENVELOPE_INVALID


def test_a_chain_that_is_told_as_nobody_foresaw_leaves_the_others_their_verdicts() -> None:
    async def defective(_: VerifyChainRequest) -> VerifyChainResponse:
        raise ZeroDivisionError

    verdict = asyncio.run(auditing.judged(ChainVerdict(region="sichuan"), [], defective))
    assert verdict.reason == Reason.REASON_INTERNAL


def test_a_defect_in_a_look_is_logged_and_a_refusal_is_not_swallowed(caplog: pytest.LogCaptureFixture) -> None:
    def look() -> None:
        raise ZeroDivisionError

    with contained("a look"):
        look()
    assert "in a look" in caplog.text
    with pytest.raises(Refused), contained("a look"):
        raise Refused(Reason.REASON_TOO_BUSY)
