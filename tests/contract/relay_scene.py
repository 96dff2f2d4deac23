"""A region's half of the relay on a real store, driven by hand: the receiver and the settler."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from opentelemetry.trace import NoOpTracer

from gateway.api.federation.v1.configuration_pb2 import Configuration, Region
from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.relay.v1.relay_pb2 import (
    Batch,
    DeliverResult,
    Envelope,
    HopStamp,
    Journey,
    Outcome,
    Receipt,
    ReceiptContent,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.process.running import stop_tasks
from gateway.process.tracing import Tracing
from gateway.relay import outbox
from gateway.relay.envelopes import Answer, OutgoingEnvelope, Sealed, open_receipt, seal_receipt
from gateway.relay.fair_queue import QueuedEnvelope
from gateway.relay.inbox import receive
from gateway.relay.lanes import Delivered
from gateway.relay.outbox import Enqueued
from gateway.relay.ports import RelayPorts
from gateway.relay.service import Receiver
from gateway.relay.settling import Settler
from gateway.relay.workers import InlineWorkers
from gateway.store.port import Store
from tests.contract.relay_pair import (
    DESTINATION,
    NOW,
    ORIGIN,
    OUTGOING,
    Desk,
    FixedClock,
    Pair,
    effects,
    open_store,
)

HENAN = "henan"
# Reached only where a test fails.
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Scene:
    """A store, which is Sichuan's or Guangdong's as the test likes, and all that works on it."""

    pair: Pair
    desk: Desk
    store: Store
    clock: FixedClock

    @property
    def receiver(self) -> Receiver:
        """Sichuan's."""
        border, tracing = self.pair.borders[DESTINATION], Tracing(NoOpTracer(), records=False)
        return Receiver(RelayPorts(border, self.desk.kinds(), self.store, self.clock, tracing, InlineWorkers()))

    @property
    def settler(self) -> Settler:
        """Guangdong's."""
        border, tracing = self.pair.borders[ORIGIN], Tracing(NoOpTracer(), records=False)
        return Settler(RelayPorts(border, self.desk.kinds(), self.store, self.clock, tracing, InlineWorkers()))

    async def receive(self, sealed: Sealed) -> Receipt:
        """Sichuan acts on an envelope."""
        border, kinds, now = self.pair.borders[DESTINATION], self.desk.kinds(), self.clock.now()
        return await self.store.write(lambda tx: receive(tx, border, kinds, sealed, now))

    async def deliver(self, *envelopes: Envelope) -> list[DeliverResult]:
        """Brings a batch to Sichuan."""
        request = Batch(destination=DESTINATION, envelopes=envelopes)
        return list((await self.receiver.deliver(request, ORIGIN)).results)

    def opened(self, receipt: Receipt, sent: Sealed) -> ReceiptContent:
        """The receipt, as Guangdong reads it."""
        return open_receipt(receipt, self.pair.borders[ORIGIN].keys, sent)

    def answered(self, receipt: Receipt, asked: Sealed) -> bytes:
        """The answer to a question, as Guangdong reads it."""
        return self.opened(receipt, asked).result

    async def send(self, name: str = "1", traceparent: str = "00-1") -> Sealed:
        """Guangdong sends an order."""
        told: list[Enqueued] = []
        self.store.subscribe(Enqueued, told.append)
        outgoing = outgoing_named(name)
        border = self.pair.borders[ORIGIN]
        await self.store.write(
            lambda tx: outbox.send(tx, border, outgoing, now=self.clock.now(), traceparent=traceparent)
        )
        return told[-1].sealed

    def answer(self, sent: Sealed, answer: Answer | None = None) -> Receipt:
        """Sichuan's receipt, without Sichuan."""
        given = answer or Answer(Outcome.OUTCOME_ACCEPTED, result=b"done")
        return seal_receipt(sent, given, self.pair.borders[DESTINATION].signer, now=NOW, revision=7)

    async def settle(self, *answers: tuple[Sealed, DeliverResult]) -> list[bool]:
        """Guangdong takes in answers."""
        journey = Journey(stamps=[HopStamp(party=ORIGIN, event="sent")]).SerializeToString()
        return await self.settler.settle(
            [Delivered(QueuedEnvelope(sealed, attempts=2), result, journey) for sealed, result in answers]
        )

    async def effects(self) -> list[str]:
        """The effects of commands."""
        return await self.store.read(effects)

    async def audited(self) -> list[tuple[str, str]]:
        """Actors and actions, after a check of the chain."""
        rows = await self.store.read(lambda tx: list(audit.rows(tx)))
        audit.verify(rows)
        return [(row.actor, row.action) for row in rows]

    async def denied(self) -> list[tuple[str, str, str]]:
        """Denied actors, with action and reason."""
        rows = await self.store.read(lambda tx: list(audit.rows(tx)))
        return [(row.actor, row.subject, row.detail) for row in rows if row.action == "DENIED"]

    async def inbox_size(self) -> int | None:
        """How many commands were acted on."""
        return await self.store.read(lambda tx: tx.first(int, "SELECT COUNT(*) FROM inbox"))


def outgoing_named(name: str) -> OutgoingEnvelope:
    """An outgoing envelope with an id and a subject of its own."""
    return replace(OUTGOING, envelope_id=name, payload=name.encode(), subject=f"order {name}")


def know_a_third(scene: Scene) -> None:
    """Henan has joined too."""
    names, joined = (ORIGIN, DESTINATION, HENAN), MemberState.MEMBER_STATE_JOINED
    configuration = Configuration(federation="demo.example", regions=[Region(id=each) for each in names])
    members = [Member(region=each, state=joined) for each in names]
    scene.pair.borders[DESTINATION].current.update(Federation(7, configuration), members)


Scenario = Callable[[Scene], Coroutine[object, object, None]]


def play(directory: Path, scenario: Scenario) -> None:
    """Runs a scenario on the store in a directory; a second one is the next process."""

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S), open_store(directory) as store:
            before = asyncio.all_tasks()
            try:
                await scenario(Scene(Pair(), Desk(), store, FixedClock()))
            finally:
                await stop_tasks(asyncio.all_tasks() - before)  # they use the store

    asyncio.run(bounded())


async def refusal(awaited: Coroutine[object, object, object]) -> str:
    """The reason for which something is refused."""
    with pytest.raises(Refused) as refused:
        await awaited
    return Reason.Name(refused.value.reason).removeprefix("REASON_")
