"""A region that reports to another one, by pages of a test, and the loop of the one that catches up."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from gateway.api.region.v1.recovery_envelopes_pb2 import AnsweredCommand, CatchUpAnswer, CatchUpQuestion
from gateway.api.relay.v1.relay_pb2 import Receipt
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.envelopes import OutgoingEnvelope, Sealed
from gateway.relay.queries import Asker
from gateway.store import catch_ups, losses
from gateway.store.catch_ups import CatchUp, LostCommand
from gateway.store.losses import Loss
from gateway.time.clock import to_microseconds
from region_node.lifecycle.recovery.catching_up import CatchingUp, CatchUpPorts
from region_node.lifecycle.recovery.operations import lost_commands
from region_node.node.context import RegionContext
from tests.contract.relay_pair import DESTINATION, ORIGIN
from tests.contract.relay_scene import Scene


@dataclass
class Reporter:
    """Guangdong, or another region, as it answers: a page for each place that it knows, or a refusal."""

    pages: dict[str, CatchUpAnswer] = field(default_factory=dict)
    refused: Refused | None = None
    asked: list[str] = field(default_factory=list)
    meanwhile: Callable[[], Awaitable[None]] | None = None
    region: str = ORIGIN
    places: list[str] = field(default_factory=list)
    """Behind which it was to go on."""

    async def ask(self, outgoing: OutgoingEnvelope, *_: object, **__: object) -> bytes:
        """See Asker. Any other region has nothing to report."""
        self.asked.append(outgoing.destination)
        if outgoing.destination != self.region:
            return b""
        if self.meanwhile is not None:
            await self.meanwhile()
        if self.refused is not None:
            raise self.refused
        question = CatchUpQuestion.FromString(outgoing.payload)
        self.places.append(question.place)
        if question.place not in self.pages:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no place of an answer")
        return self.pages[question.place].SerializeToString()


def page(*commands: tuple[Sealed, Receipt], then: str = "") -> CatchUpAnswer:
    """A page with commands and their receipts."""
    answered = [AnsweredCommand(envelope=sealed.envelope, receipt=receipt) for sealed, receipt in commands]
    return CatchUpAnswer(commands=answered, next_place=then)


async def lose(scene: Scene, begin: datetime, end: datetime, number: int = 1) -> None:
    """Sichuan loses all that it has received, and people accept that."""
    times = [to_microseconds(each) for each in (begin, end)]
    loss = Loss(number, times[1], "coordinator", 1, 9, 0, 10_009, times[1], "staff", "INC-1", times[0])
    await scene.store.write(lambda tx: (tx.execute("DELETE FROM inbox"), tx.execute("DELETE FROM effects")))
    await scene.store.write(lambda tx: losses.keep(tx, loss))


async def catch_up(scene: Scene, reporter: Reporter) -> CatchUp:
    """Sichuan asks Guangdong; returns how far it is."""
    await loop_of(scene, reporter).catch_up()
    return await progress(scene)


def loop_of(scene: Scene, reporter: Reporter, region: str = DESTINATION) -> CatchingUp:
    """A process of Sichuan, or of another region."""
    context = RegionContext(scene.pair.borders[region], lambda tx, region, number: [])
    return CatchingUp(CatchUpPorts(context, scene.store, cast(Asker, reporter), scene.clock, scene.desk.kinds()))


async def progress(scene: Scene, number: int = 1, region: str = ORIGIN) -> CatchUp:
    """How far a region is."""
    return await scene.store.read(lambda tx: catch_ups.catch_up_with(tx, number, region))


async def lost(scene: Scene, region: str = DESTINATION) -> list[LostCommand]:
    """What a region leaves to people."""
    return await scene.store.read(lambda tx: lost_commands(tx, region, (0, "", "", ""), 10))
