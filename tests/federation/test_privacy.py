"""Customers' identities are in the databases of the regions concerned, and nowhere else; one trace spans them."""

import json
import logging
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.order_service_pb2 import ReviewDecision, SubmitOrderRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.process.span_export import SPANS_FILE
from tests.federation.counter import WAIT, Counter, Reviewer, seconds
from tests.federation.databases import Databases
from tests.federation.running import CALL_SECONDS, Federation, running, until

NAME = "Ouyang Zhenhua"
REASON = "posted to Lhasa"
COMPLETED = OrderState.ORDER_STATE_COMPLETED


@dataclass(frozen=True)
class Span:
    """A span as exported."""

    name: str
    service: str
    trace: str
    identity: str
    parent: str


class Spans:
    """The file of exported spans."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def of(self, trace: str) -> list[Span]:
        """The spans of a trace."""
        return [span for span in self._all() if span.trace == trace]

    def _all(self) -> Iterator[Span]:
        for line in self.path.read_text("utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                told = json.loads(line)
                resource = told["resource"]["attributes"]
                yield Span(
                    told["name"],
                    f"{resource['service.name']} {resource['service.instance.id']}",
                    told["context"]["trace_id"].removeprefix("0x"),
                    told["context"]["span_id"].removeprefix("0x"),
                    (told["parent_id"] or "").removeprefix("0x"),
                )


@asynccontextmanager
async def traced(
    directory: Path, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Federation, Spans]]:
    """A federation that exports its spans to a file."""
    spans = Spans(directory / "spans.jsonl")
    monkeypatch.setenv(SPANS_FILE, str(spans.path))
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    async with running(directory, databases) as federation:
        yield federation, spans


async def _business_of_all_kinds(federation: Federation) -> str:
    """A foreign customer's orders, a bill and a review; returns the number."""
    guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
    number = await sichuan.new_customer(name=NAME)
    assert (await guangdong.order("SUSPEND", number, reason=REASON)).state == COMPLETED
    assert (await guangdong.order("SUSPEND", number)).state == OrderState.ORDER_STATE_REJECTED
    assert (await guangdong.order("RESUME", number)).state == COMPLETED
    assert (await guangdong.order("PAY", number)).state == COMPLETED
    assert (await guangdong.bill(number)).lines
    order = await guangdong.order("TERMINATE", number)
    decision = ReviewDecision.REVIEW_DECISION_REJECT
    await Reviewer(federation, "sichuan").decide(order.id, decision, note=f"{NAME} is under age")
    await guangdong.reaches(order.id, OrderState.ORDER_STATE_FAILED)
    return number


async def test_coordinator_log_and_spans_hold_nothing_of_the_customer(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for package in ("gateway", "region_node", "coordinator"):
        caplog.set_level(logging.DEBUG, logger=package)
    async with traced(tmp_path, databases, monkeypatch) as (federation, spans):
        number = await _business_of_all_kinds(federation)
        stored, coordinator = federation.database("sichuan").opened().decode("latin-1"), federation.coordinator_database
    planted = (number, number.removeprefix("+86"), NAME, REASON, "clerk-7", "6222-0001")
    places = {
        "coordinator": coordinator.raw().decode("latin-1"),
        "spans": spans.path.read_text("utf-8"),
        "log": "\n".join(record.getMessage() for record in caplog.records),
    }
    assert all(text in stored for text in planted), "the search finds what is there"
    assert [(place, text) for place, told in places.items() for text in planted if text in told] == []
    assert "ENVELOPE_KIND_ORDER_SUBMIT" in places["spans"]


async def test_one_trace_goes_from_the_operators_call_to_the_commit_at_home_and_back(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace, parent = secrets.token_hex(16), secrets.token_hex(8)
    submit = EnvelopeKind.Name(EnvelopeKind.ENVELOPE_KIND_ORDER_SUBMIT)
    expected = {
        ("region-node guangdong", "gateway.api.region.v1.OrderService/SubmitOrder"),
        ("region-node sichuan", f"process {submit}"),
        ("region-node guangdong", f"settle {submit}"),
    }
    async with traced(tmp_path, databases, monkeypatch) as (federation, spans):
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        order = guangdong.request("SUSPEND", await sichuan.new_customer())
        request = SubmitOrderRequest(request_id=federation.next_id(), order=order, wait=seconds(WAIT))
        response = await guangdong.orders.SubmitOrder(
            request, timeout=CALL_SECONDS, metadata=(("traceparent", f"00-{trace}-{parent}-01"),)
        )
        assert response.order.state == COMPLETED

        async def exported() -> bool:
            return {(span.service, span.name) for span in spans.of(trace)} == expected

        await until(exported, f"both regions exported their part of the trace: {spans.of(trace)}")
    found = {span.name: span for span in spans.of(trace)}
    served = found["gateway.api.region.v1.OrderService/SubmitOrder"]
    assert served.parent == parent
    assert found[f"process {submit}"].parent == found[f"settle {submit}"].parent == served.identity


async def test_the_home_regions_later_word_belongs_to_the_same_trace(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = secrets.token_hex(16)
    update = EnvelopeKind.Name(EnvelopeKind.ENVELOPE_KIND_ORDER_UPDATE)
    async with traced(tmp_path, databases, monkeypatch) as (federation, spans):
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        order = guangdong.request("TERMINATE", await sichuan.new_customer())
        request = SubmitOrderRequest(request_id=federation.next_id(), order=order, wait=seconds(WAIT))
        response = await guangdong.orders.SubmitOrder(
            request, timeout=CALL_SECONDS, metadata=(("traceparent", f"00-{trace}-{secrets.token_hex(8)}-01"),)
        )
        await Reviewer(federation, "sichuan").approve(response.order.id)
        await guangdong.reaches(response.order.id, OrderState.ORDER_STATE_PENDING)

        async def exported() -> bool:
            found = {(span.service, span.name) for span in spans.of(trace)}
            wanted = {("region-node guangdong", f"process {update}"), ("region-node sichuan", f"settle {update}")}
            return wanted <= found

        await until(exported, "the update belongs to the trace of the submission")
