"""A region catches up after a loss by what another one reports: done again once, listed for people, or not believed."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
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
from tests.contract.relay_pair import DESTINATION, HOUR, NOW, ORIGIN
from tests.contract.relay_scene import Scene, play


@dataclass
class Reporter:
    """Guangdong, as it answers: a page for each place, or a refusal."""

    pages: dict[str, CatchUpAnswer] = field(default_factory=dict)
    refused: Refused | None = None

    async def ask(self, outgoing: OutgoingEnvelope, *_: object, **__: object) -> bytes:
        """See Asker."""
        if self.refused is not None:
            raise self.refused
        question = CatchUpQuestion.FromString(outgoing.payload)
        return self.pages[question.place].SerializeToString()


def page(*commands: tuple[Sealed, Receipt], then: str = "") -> CatchUpAnswer:
    """A page with commands and their receipts."""
    answered = [AnsweredCommand(envelope=sealed.envelope, receipt=receipt) for sealed, receipt in commands]
    return CatchUpAnswer(commands=answered, next_place=then)


async def lose(scene: Scene, begin: datetime, end: datetime) -> None:
    """Sichuan loses all that it has received, and people accept that."""
    times = [to_microseconds(each) for each in (begin, end)]
    loss = Loss(1, times[1], "coordinator", 1, 9, 0, 10_009, times[1], "staff", "INC-1", times[0])
    await scene.store.write(lambda tx: (tx.execute("DELETE FROM inbox"), tx.execute("DELETE FROM effects")))
    await scene.store.write(lambda tx: losses.keep(tx, loss))


async def catch_up(scene: Scene, reporter: Reporter) -> CatchUp:
    """Sichuan asks Guangdong; returns how far it is."""
    border = scene.pair.borders[DESTINATION]
    ports = CatchUpPorts(border, scene.store, cast(Asker, reporter), scene.clock, scene.desk.kinds())
    await CatchingUp(ports).catch_up()
    return await scene.store.read(lambda tx: catch_ups.catch_up_with(tx, 1, ORIGIN))


async def lost(scene: Scene) -> list[LostCommand]:
    """What is left to people."""
    return await scene.store.read(lambda tx: catch_ups.lost_after(tx, (0, "", "", ""), 10))


def test_pages_are_done_again_once_however_often_they_are_reported(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        sent = [scene.pair.seal(envelope_id=each, payload=each.encode()) for each in ("1", "2", "3")]
        first = [(each, await scene.receive(each)) for each in sent]
        await lose(scene, NOW - HOUR, NOW + HOUR)
        reporter = Reporter({"": page(*first[:2], then="2"), "2": page(*first)})
        done = await catch_up(scene, reporter)
        assert (done.taken, done.failure) == (3, "")
        assert done.finish_time is not None
        assert await scene.effects() == ["1", "2", "3"]
        assert [await scene.receive(each) for each in sent] == [receipt for _, receipt in first]
        assert await lost(scene) == []

    play(tmp_path, scenario)


def test_nothing_is_done_again_that_was_answered_outside_of_the_lost_part(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        sent = scene.pair.seal()
        first = await scene.receive(sent)
        for number, (begin, end) in enumerate(((NOW + HOUR, NOW + 2 * HOUR), (NOW - 2 * HOUR, NOW - HOUR))):
            await lose(scene, begin, end)
            await scene.store.write(lambda tx: tx.execute("DELETE FROM catch_ups"))
            await catch_up(scene, Reporter({"": page((sent, first))}))
            assert await scene.effects() == [], number
            assert [each.failure for each in await lost(scene)] == ["ENVELOPE_FORGOTTEN"]

    play(tmp_path, scenario)


def test_a_command_that_is_refused_now_or_fails_is_left_to_people_and_the_next_one_is_done(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        sent = [scene.pair.seal(envelope_id=each, payload=each.encode()) for each in ("1", "2")]
        first = [(each, await scene.receive(each)) for each in sent]
        await lose(scene, NOW - HOUR, NOW + HOUR)
        forged = Receipt(content=first[0][1].content, signature=b"forged")
        done = await catch_up(scene, Reporter({"": page((sent[0], forged), first[1])}))
        assert await scene.effects() == ["2"]
        assert [(each.envelope_id, each.failure) for each in await lost(scene)] == [("1", "ENVELOPE_SIGNATURE_INVALID")]
        assert done.finish_time is not None

        await lose(scene, NOW - HOUR, NOW + HOUR)
        await scene.store.write(lambda tx: tx.execute("DELETE FROM catch_ups"))
        scene.desk.before_effect = Refused(Reason.REASON_SUBSCRIPTION_NOT_FOUND)
        await catch_up(scene, Reporter({"": page(*first)}))
        assert [each.failure for each in await lost(scene)] == ["SUBSCRIPTION_NOT_FOUND"] * 2
        scene.desk.before_effect = None
        await scene.store.write(lambda tx: tx.execute("DELETE FROM catch_ups"))
        await catch_up(scene, Reporter({"": page(*first)}))
        assert await scene.effects() == ["1", "2"], "what was refused has left nothing behind"

    play(tmp_path, scenario)


def test_a_region_that_cannot_report_holds_up_nothing_and_one_that_is_away_is_waited_for(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await lose(scene, NOW - HOUR, NOW + timedelta(minutes=5))
        away = await catch_up(scene, Reporter(refused=Refused(Reason.REASON_REGION_UNREACHABLE, region=ORIGIN)))
        assert (away.failure, away.finish_time) == ("", None)
        assert await scene.store.read(lambda tx: catch_ups.is_catching_up(tx, ORIGIN))
        older = await catch_up(
            scene, Reporter(refused=Refused(Reason.REASON_UPGRADE_REQUIRED, region=ORIGIN, field="kind"))
        )
        assert (older.failure, older.finish_time) == ("UPGRADE_REQUIRED", None)
        assert not await scene.store.read(lambda tx: catch_ups.is_catching_up(tx, ORIGIN))
        round_about = await catch_up(scene, Reporter({"": page(then="1"), "1": page(then="1")}))
        assert round_about.failure == "ENVELOPE_INVALID", "an answer that leads to itself"
        upgraded = await catch_up(scene, Reporter({"1": page()}))
        assert upgraded.finish_time is not None
        assert upgraded.failure == ""

    play(tmp_path, scenario)
