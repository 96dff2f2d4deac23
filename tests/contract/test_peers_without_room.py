"""Only the door of a node has its callers hold back: no other region, and no coordinator, can have them do so."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import pytest

from gateway.api.coordinator.v1.planned_outage_registry_service_pb2 import PlannedOutageHeader
from gateway.api.region.v1.planned_outage_service_pb2 import PlannedOutage
from gateway.api.relay.v1.relay_pb2 import (
    Batch,
    BatchAnswer,
    DeliverResult,
    EnvelopeContent,
    NotDelivered,
    Outcome,
    ReceiptContent,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import NO_ROOM, Refused
from gateway.relay.envelopes import Answer, Sealed, seal_receipt
from gateway.relay.queries import Asker
from gateway.relay.transport import BeforeAttempt
from gateway.store.port import Store
from gateway.time.clock import SystemClock
from region_node.network.planned_outages.service import PlannedOutageService
from region_node.node.context import RegionContext
from region_node.node.payloads import refusal_of
from tests.contract.lane_scene import NoWaiting
from tests.contract.relay_pair import DESTINATION, NOW, ORIGIN, OUTGOING, QUERY, FixedClock, Pair

OTHERS = (Reason.REASON_OPEN_WORK_TOO_MUCH, Reason.REASON_PLANNED_OUTAGE_NOTICE_SHORT)


@dataclass(frozen=True)
class Way:
    """A way to the other region, on which each question has one fate."""

    fate: Callable[[Batch], DeliverResult]

    async def deliver(self, batch: Batch, timeout: float, before_attempt: BeforeAttempt | None = None) -> BatchAnswer:
        return BatchAnswer(results=[self.fate(batch)])


@pytest.mark.parametrize("alone", [False, True], ids=["shared", "alone"])
@pytest.mark.parametrize("fate", ["signed", "not delivered", "stopped on the way"])
@pytest.mark.parametrize("reason", [*NO_ROOM, *OTHERS])
def test_a_question_that_finds_no_room_on_its_way_can_be_asked_again(
    reason: Reason.ValueType, fate: str, alone: bool
) -> None:
    pair, named = Pair(), {"caller": "region/guangdong"}

    def refuse(batch: Batch) -> DeliverResult:
        if fate == "stopped on the way":
            raise Refused(reason, **named)
        if fate == "not delivered":
            return DeliverResult(not_delivered=NotDelivered(reason=reason, reason_parameters=named))
        [envelope] = batch.envelopes
        sealed = Sealed(envelope, EnvelopeContent.FromString(envelope.content))
        answer = Answer(Outcome.OUTCOME_REFUSED, reason=reason, parameters=named)
        signer = pair.borders[DESTINATION].signer
        return DeliverResult(receipt=seal_receipt(sealed, answer, signer, now=NOW, revision=7))

    async def ask() -> None:
        asker = Asker(pair.borders[ORIGIN], Way(refuse), FixedClock(), NoWaiting())
        await asker.ask(replace(OUTGOING, kind=QUERY), 50.0, "00-1", alone=alone)

    with pytest.raises(Refused) as refused:
        asyncio.run(ask())
    busy: tuple[Reason.ValueType, dict[str, str]] = (Reason.REASON_TOO_BUSY, {})
    assert (refused.value.reason, refused.value.parameters) == (busy if reason in NO_ROOM else (reason, named))


@pytest.mark.parametrize("reason", [*NO_ROOM, *OTHERS])
def test_a_region_that_signs_that_it_has_no_room_counts_as_out_of_reach(reason: Reason.ValueType) -> None:
    receipt = ReceiptContent(
        destination="sichuan", outcome=Outcome.OUTCOME_REFUSED, reason=reason, reason_parameters={"most": "7"}
    )
    told = refusal_of(receipt)
    if reason in NO_ROOM:
        assert (told.reason, told.parameters) == (Reason.REASON_REGION_UNREACHABLE, {"region": "sichuan"})
    else:
        assert (told.reason, told.parameters) == (reason, {"most": "7"})


@pytest.mark.parametrize("reason", [*NO_ROOM, *OTHERS])
def test_a_coordinator_without_room_for_a_planned_outage_counts_as_away(reason: Reason.ValueType) -> None:
    async def hold(_: PlannedOutageHeader) -> None:
        raise Refused(reason)

    service = PlannedOutageService(cast("RegionContext", None), cast("Store", None), SystemClock(), hold)
    with pytest.raises(Refused) as refused:
        asyncio.run(service._held(PlannedOutage()))
    assert refused.value.reason == (Reason.REASON_REGISTRY_UNAVAILABLE if reason in NO_ROOM else reason)
