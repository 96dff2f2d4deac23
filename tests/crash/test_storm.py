"""Guarantee G12: a dead home region causes no storm, neither while it is dead nor when it is back."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from deploy.local.federation import COORDINATOR
from deploy.local.process import wait_until
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest
from gateway.process.span_export import SPANS_FILE
from tests.crash.outcome import ATTEMPTS_IN_A_FAULT, require_attempts, require_one_effect
from tests.crash.regions import HANDLING, HOME, SETTLED_SECONDS, order_id_of
from tests.crash.scene import Scene

BEFORE, DURING, AFTER = 120, 80, 100  # orders
NORMAL_SECONDS = 30.0  # guarantee G12: back to normal without help
STEADY_ATTEMPTS = 1.1
PROBES = 5
LOST = f"{HOME} is now lost"
PROBES_A_SECOND = 3.0
DELIVER = "gateway.api.relay.v1.RelayService/Deliver"


class Deliveries:
    """The origin region's deliveries to the coordinator, from its recorded spans."""

    def __init__(self, spans: Path) -> None:
        lines = [json.loads(line) for line in spans.read_text("utf-8").splitlines() if line.endswith("}")]
        self._spans: list[dict[str, Any]] = [
            span for span in lines if span["name"] == DELIVER and span["kind"] == "SpanKind.CLIENT"
        ]

    def probes(self) -> list[datetime]:
        """When each empty batch was sent."""
        return [
            datetime.fromisoformat(span["start_time"]) for span in self._spans if span["attributes"]["envelopes"] == 0
        ]

    def failed_batches(self) -> int:
        """How many batches with envelopes brought no answer."""
        return sum(
            span["status"]["status_code"] == "ERROR" and span["attributes"]["envelopes"] > 0 for span in self._spans
        )

    def by_trace(self) -> Counter[str]:
        """How often the envelopes of each trace were sent."""
        return Counter(link["context"]["trace_id"].removeprefix("0x") for span in self._spans for link in span["links"])


def submit_all(scene: Scene, requests: Sequence[SubmitOrderRequest]) -> None:
    """Submits orders, all at the same time, and waits until they are taken in."""
    for call in [scene.start_submit(request) for request in requests]:
        assert call.result().state != OrderState.ORDER_STATE_HELD


def all_closed(scene: Scene, requests: Sequence[SubmitOrderRequest]) -> bool:
    """Whether every order has its receipt."""
    ids = {order_id_of(request) for request in requests}
    return ids.isdisjoint(scene.handling.column("SELECT subject FROM outbox WHERE closed IS NULL"))


@pytest.mark.guarantee("G12")
@pytest.mark.long("the coordinator has to notice that a region is lost, which takes a lease")
def test_orders_for_a_dead_home_region_are_sent_within_bounds_and_done_soon_after_it_is_back(
    scene: Scene, tmp_path: Path
) -> None:
    spans = tmp_path / "spans.jsonl"
    scene.arm(HANDLING, **{SPANS_FILE: str(spans), "OTEL_BSP_SCHEDULE_DELAY": "100"})
    scene.require_well()
    before, during, after = ([scene.pay() for _ in range(count)] for count in (BEFORE, DURING, AFTER))
    link, half = scene.coordinator_to_home, BEFORE // 2
    calls = [scene.start_submit(request) for request in before[:half]]
    wait_until(lambda: scene.home.has_received(order_id_of(before[0])), SETTLED_SECONDS, "orders are in full flow")
    link.hold()
    calls += [scene.start_submit(request) for request in before[half:]]
    wait_until(lambda: link.most(lambda each: each.requests.held) > 0, SETTLED_SECONDS, "orders are on their way")
    losses = scene.log_of(COORDINATOR).count(LOST)
    scene.kill(HOME)
    died = scene.now()
    link.cut()
    link.heal()
    for call in calls:
        call.result()
    submit_all(scene, during)
    open_before = [request for request in before if scene.handling.open_envelopes(order_id_of(request))]
    assert open_before, "invalid: all was done before the home region was killed"
    wait_until(
        lambda: sum(probe > died for probe in Deliveries(spans).probes()) >= PROBES,
        SETTLED_SECONDS,
        "the lane probes in vain",
    )
    wait_until(lambda: scene.log_of(COORDINATOR).count(LOST) > losses, SETTLED_SECONDS, "the coordinator has noticed")
    assert not all_closed(scene, during)
    back = scene.now()
    probes = sum(died < probe < back for probe in Deliveries(spans).probes())
    assert probes <= PROBES + PROBES_A_SECOND * (back - died).total_seconds()
    scene.restart(HOME)
    wait_until(lambda: all_closed(scene, [*before, *during]), NORMAL_SECONDS, "everything has its receipt")
    submit_all(scene, after)
    wait_until(lambda: all_closed(scene, after), NORMAL_SECONDS, "what came afterwards has its receipt")
    assert scene.federation.processes[HANDLING].stop() == 0
    require_bounds(scene, Deliveries(spans), [*before, *during], after)
    scene.restart(HANDLING)
    for request in (before[0], open_before[-1], during[-1], after[-1]):
        require_one_effect(scene, request)


def require_bounds(
    scene: Scene,
    deliveries: Deliveries,
    in_the_fault: Sequence[SubmitOrderRequest],
    afterwards: Sequence[SubmitOrderRequest],
) -> None:
    """The attempts that the outbox noted, and those that the spans show, are the same and within bounds."""
    assert deliveries.failed_batches() > 0, "invalid: no batch met the dead region"
    require_attempts(scene, in_the_fault)
    sent = deliveries.by_trace()
    ids = [order_id_of(request) for request in (*in_the_fault, *afterwards)]
    noted = dict(zip(ids, scene.handling.attempts(ids), strict=True))
    traces = {row[0]: str(row[1]) for row in scene.handling.rows("SELECT order_id, traceparent FROM orders")}
    seen = {order_id: sent[traces[order_id].split("-")[1]] for order_id in ids}
    assert seen == noted
    assert max(noted.values()) <= ATTEMPTS_IN_A_FAULT
    steady = [noted[order_id_of(request)] for request in afterwards]
    assert sum(steady) / len(steady) <= STEADY_ATTEMPTS
