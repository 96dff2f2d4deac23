"""A region whose database lost its newest part: its commands are repeats, and those of others are done again."""

from dataclasses import replace
from pathlib import Path

from gateway.api.relay.v1.relay_pb2 import Envelope, EnvelopeContent, Outcome, Receipt, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.border import Command
from gateway.relay.envelopes import Answer, Sealed, seal_receipt
from gateway.relay.inbox import find, forget, receive, take_again
from gateway.security.signing import ENVELOPE
from gateway.store import catch_ups, losses
from gateway.store.catch_ups import CatchUp
from gateway.store.losses import Loss
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import SystemClock, to_microseconds
from gateway.values.choices import Choice, UnknownChoice
from tests.contract.relay_pair import COMMAND, DESTINATION, HOUR, NOW, ORIGIN
from tests.contract.relay_scene import Scene, play, refusal

LOSS = Loss(1, to_microseconds(NOW), "coordinator", 1, 9, 0, 10_009, to_microseconds(NOW), "staff", "INC-1", 0)


class Untrusted(AgreedClock):
    """A clock that processes do not agree on."""

    def require_trusted(self) -> None:
        """See AgreedClock."""
        raise Refused(Reason.REASON_CLOCK_UNTRUSTED)


def sent_after_a_loss(scene: Scene, payload: bytes, incarnation: int) -> Sealed:
    """The command of id 1 once more, by a database that has lost the first."""
    content = EnvelopeContent.FromString(scene.pair.seal(payload=payload).envelope.content)
    content.incarnation = incarnation
    data = content.SerializeToString()
    return Sealed(Envelope(content=data, signature=scene.pair.borders[ORIGIN].signer.sign(ENVELOPE, data)), content)


def test_a_repeat_by_an_origin_that_has_lost_the_first_gets_the_first_answer_and_no_second_effect(
    tmp_path: Path,
) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.receive(scene.pair.seal())
        scene.clock.instant += HOUR
        again = sent_after_a_loss(scene, b"one", 10_009)
        receipt = scene.opened(await scene.receive(again), again)
        assert (receipt.outcome, receipt.result) == (Outcome.OUTCOME_ACCEPTED, b"done")
        assert await scene.effects() == ["one"]
        row = await scene.store.read(lambda tx: find(tx, ORIGIN, "1"))
        assert row is not None
        assert row.content == scene.pair.seal().envelope.content, "the executed bytes stay"

    play(tmp_path, scenario)


def test_an_id_is_used_up_as_ever_for_an_origin_that_has_lost_nothing_since(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.receive(sent_after_a_loss(scene, b"one", 10_009))
        for incarnation in (0, 10_008, 10_009):
            reused = sent_after_a_loss(scene, b"two", incarnation)
            assert await refusal(scene.receive(reused)) == "ENVELOPE_ID_REUSED"
        assert await scene.effects() == ["one"]

    play(tmp_path, scenario)


def test_a_repeat_that_wants_something_else_is_refused_for_good(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.receive(scene.pair.seal())
        other = sent_after_a_loss(scene, b"two", 10_009)
        answer = await scene.receive(other)
        receipt = scene.opened(answer, other)
        assert (receipt.outcome, receipt.reason) == (Outcome.OUTCOME_REFUSED, Reason.REASON_COMMAND_LOST)
        assert await scene.effects() == ["one"]

        kind, border = scene.desk.kinds()[COMMAND], scene.pair.borders[DESTINATION]
        assert isinstance(kind, Command)
        for compared in (replace(kind, is_same=lambda first, again: True), replace(kind, is_named_by_id=True)):
            kinds = {COMMAND: compared}
            answer = await scene.store.write(lambda tx, kinds=kinds: receive(tx, border, kinds, other, NOW))  # type: ignore[misc]
            assert scene.opened(answer, other).outcome == Outcome.OUTCOME_ACCEPTED, "as the kind compares them"

    play(tmp_path, scenario)


def test_a_repeat_that_only_a_later_version_of_its_destination_can_compare_waits_for_that(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.receive(scene.pair.seal())
        kind, border = scene.desk.kinds()[COMMAND], scene.pair.borders[DESTINATION]
        assert isinstance(kind, Command)

        def compare(first: EnvelopeContent, again: EnvelopeContent) -> bool:
            raise UnknownChoice(Choice("ticket.state", "api.State", 9))

        kinds, other = {COMMAND: replace(kind, is_same=compare)}, sent_after_a_loss(scene, b"two", 10_009)

        async def received() -> Receipt:
            return await scene.store.write(lambda tx: receive(tx, border, kinds, other, NOW))

        assert await refusal(received()) == "UPGRADE_REQUIRED"

    play(tmp_path, scenario)


def test_nothing_is_signed_for_a_repeat_by_a_clock_that_is_not_trusted(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.receive(scene.pair.seal())
        border = scene.pair.borders[DESTINATION]
        scene.pair.borders[DESTINATION] = replace(border, clock=Untrusted(SystemClock()))
        assert await refusal(scene.receive(sent_after_a_loss(scene, b"one", 10_009))) == "CLOCK_UNTRUSTED"

    play(tmp_path, scenario)


def test_a_command_of_before_the_memory_of_the_inbox_is_not_done_again_unless_a_repeat_does_no_harm(
    tmp_path: Path,
) -> None:
    async def scenario(scene: Scene) -> None:
        sent, border = scene.pair.seal(), scene.pair.borders[DESTINATION]
        first = await scene.receive(sent)
        await scene.store.write(lambda tx: forget(tx, [(ORIGIN, "1")], to_microseconds(NOW) + 1, NOW + HOUR))
        await scene.store.write(lambda tx: tx.execute("DELETE FROM effects"))
        for is_repeatable, reason in ((False, Reason.REASON_ENVELOPE_FORGOTTEN), (True, Reason.REASON_UNSPECIFIED)):
            scene.desk.is_repeatable = is_repeatable
            kinds = scene.desk.kinds()
            answer = await scene.store.write(lambda tx, kinds=kinds: take_again(tx, border, kinds, sent, first, NOW))  # type: ignore[misc]
            assert answer is not None
            assert answer.reason == reason
            assert await scene.effects() == ["one"] * is_repeatable

    play(tmp_path, scenario)


def test_a_lost_command_is_done_again_once_and_has_its_first_receipt_whatever_the_time(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        sent = scene.pair.seal()
        first = await scene.receive(sent)
        await scene.store.write(lambda tx: (tx.execute("DELETE FROM inbox"), tx.execute("DELETE FROM effects")))
        scene.clock.instant += HOUR * 48

        async def taken() -> Answer | None:
            border, kinds, now = scene.pair.borders[DESTINATION], scene.desk.kinds(), scene.clock.now()
            return await scene.store.write(lambda tx: take_again(tx, border, kinds, sent, first, now))

        answer = await taken()
        assert answer is not None
        assert answer.outcome == Outcome.OUTCOME_ACCEPTED
        assert await taken() is None, "it is known"
        assert await scene.effects() == ["one"]
        assert await scene.receive(sent) == first, "the origin has this receipt"

    play(tmp_path, scenario)


def test_a_command_that_was_refused_then_has_no_effect_now(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        sent = scene.pair.seal()
        scene.desk.before_effect = Refused(Reason.REASON_DOCUMENT_MISSING, documents="ID_ORIG")
        first = await scene.receive(sent)
        await scene.store.write(lambda tx: tx.execute("DELETE FROM inbox"))
        scene.desk.before_effect = None
        border = scene.pair.borders[DESTINATION]
        answer = await scene.store.write(lambda tx: take_again(tx, border, scene.desk.kinds(), sent, first, NOW))
        assert answer is not None
        assert (answer.outcome, answer.reason) == (Outcome.OUTCOME_REFUSED, Reason.REASON_DOCUMENT_MISSING)
        assert await scene.effects() == []
        assert await scene.receive(sent) == first

    play(tmp_path, scenario)


def test_the_record_that_a_refusal_told_is_looked_at_again_and_one_without_a_record_is_not(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        border, told = scene.pair.borders[DESTINATION], list[bytes]()
        kind = scene.desk.kinds()[COMMAND]
        assert isinstance(kind, Command)
        kinds = {COMMAND: replace(kind, refused_again=lambda tx, content, first, now: told.append(first.result))}
        for name, result in (("1", b""), ("2", b"the second version")):
            sent = scene.pair.seal(envelope_id=name)
            answer = Answer(Outcome.OUTCOME_REFUSED, result=result, reason=Reason.REASON_LOAN_STATE_FORBIDS)
            first = seal_receipt(sent, answer, border.signer, now=NOW, revision=1)
            await scene.store.write(lambda tx, sent=sent, first=first: take_again(tx, border, kinds, sent, first, NOW))  # type: ignore[misc]
        assert told == [b"the second version"]
        assert await scene.effects() == []

    play(tmp_path, scenario)


def test_new_commands_wait_until_their_origin_has_told_what_it_sent_before_or_cannot(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.store.write(lambda tx: losses.keep(tx, LOSS))
        sent = scene.pair.seal()
        assert await refusal(scene.receive(sent)) == "CATCHING_UP"
        await scene.store.write(lambda tx: catch_ups.keep(tx, CatchUp(1, ORIGIN, place="5 a 5 b", taken=3)))
        assert await refusal(scene.receive(sent)) == "CATCHING_UP"
        await scene.store.write(lambda tx: catch_ups.keep(tx, CatchUp(1, ORIGIN, failure="UPGRADE_REQUIRED")))
        await scene.receive(sent)
        await scene.store.write(lambda tx: catch_ups.keep(tx, CatchUp(1, ORIGIN)))
        other = scene.pair.seal(envelope_id="2")
        assert await refusal(scene.receive(other)) == "CATCHING_UP"
        assert isinstance(await scene.receive(sent), Receipt), "what is known is answered as ever"
        await scene.store.write(lambda tx: catch_ups.keep(tx, CatchUp(1, ORIGIN, finish_time=7)))
        receipt = scene.opened(await scene.receive(other), other)
        assert isinstance(receipt, ReceiptContent)

    play(tmp_path, scenario)
