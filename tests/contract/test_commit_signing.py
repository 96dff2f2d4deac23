"""One signature for the envelopes, and one for the receipts, of a commit: only for readers that understand proofs."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.relay.v1.relay_pb2 import Batch, BatchAnswer, DeliverResult, Envelope, Receipt
from gateway.federation.capabilities import FEATURES
from gateway.relay import outbox
from gateway.relay.envelopes import Sealed, unsigned_envelope
from gateway.relay.inbox import receive
from gateway.relay.outbox import Enqueued
from gateway.relay.question_lanes import QuestionCarrier
from gateway.relay.transport import BeforeAttempt
from gateway.security.signing import ENVELOPE, RECEIPT, count_signatures
from gateway.store.port import Operation, Transaction
from tests.at_rest import open_envelopes, received
from tests.contract.relay_pair import DESTINATION, NOW, ORIGIN, QUERY, FixedClock, Pair
from tests.contract.relay_scene import Scene, outgoing_named, play

PLAIN = 64
NAMES = ("1", "2", "3")


def understood_by(pair: Pair, *regions: str) -> None:
    """Exactly these regions understand proofs."""
    joined = MemberState.MEMBER_STATE_JOINED
    features = dict.fromkeys(regions, FEATURES)
    members = [Member(region=each, state=joined, features=features.get(each)) for each in (ORIGIN, DESTINATION)]
    for border in pair.borders.values():
        border.current.update(border.current.federation, members)


async def send_together(scene: Scene, *names: str, parts: Sequence[str] = ("",)) -> list[Sealed]:
    """Guangdong sends envelopes in one commit: an operation for each subject, an envelope for each of its parts."""
    told: list[Enqueued] = []
    scene.store.subscribe(Enqueued, told.append)
    border, now = scene.pair.borders[ORIGIN], scene.clock.now()

    def sending(name: str) -> Operation[None]:
        def operation(tx: Transaction) -> None:
            for part in parts:
                outgoing = replace(outgoing_named(name), envelope_id=f"{name}{part}")
                outbox.send(tx, border, outgoing, now=now, traceparent="")

        return operation

    await asyncio.gather(*(scene.store.write(sending(name)) for name in names))
    return [each.sealed for each in told]


def incoming(scene: Scene, *names: str) -> list[Sealed]:
    return [scene.pair.seal(outgoing_named(name)) for name in names]


def receipts_of(results: Sequence[DeliverResult]) -> list[Receipt]:
    assert all(result.HasField("receipt") for result in results)
    return [result.receipt for result in results]


def unproven(pair: Pair, region: str, domain: bytes, messages: Sequence[Envelope | Receipt]) -> list[bytes]:
    """The contents that a region has not signed."""
    keys = pair.borders[ORIGIN].keys
    return [each.content for each in messages if not keys.verify(region, domain, each.content, each.signature)]


def test_envelopes_of_one_commit_share_a_signature_and_each_is_stored_and_told_with_its_proof(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        understood_by(scene.pair, ORIGIN, DESTINATION)
        sent = await send_together(scene, *NAMES)
        envelopes = [each.envelope for each in sent]
        assert len(envelopes) == len(NAMES)
        assert count_signatures(each.signature for each in envelopes) == 1
        assert len({each.signature for each in envelopes}) == len(NAMES)
        assert unproven(scene.pair, ORIGIN, ENVELOPE, envelopes) == []
        assert await scene.store.read(open_envelopes) == sent
        results = await scene.deliver(*envelopes)
        assert [scene.opened(receipt, each).result for receipt, each in zip(receipts_of(results), sent, strict=True)]

    play(tmp_path, scenario)


def test_envelopes_about_one_subject_share_the_signature_of_their_commit(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        understood_by(scene.pair, ORIGIN, DESTINATION)
        sent = await send_together(scene, *map(str, range(32)), parts=("a", "b"))
        assert len(sent) == 64
        assert count_signatures(each.envelope.signature for each in sent) == 1
        assert sorted(each.content.id for each in await scene.store.read(open_envelopes)) == sorted(
            each.content.id for each in sent
        )

    play(tmp_path, scenario)


@pytest.mark.guarantee("G3")
def test_receipts_of_one_commit_share_a_signature_and_stay_the_same_bytes(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        understood_by(scene.pair, ORIGIN, DESTINATION)
        envelopes = [each.envelope for each in incoming(scene, *NAMES)]
        receipts = receipts_of(await scene.deliver(*envelopes))
        assert count_signatures(each.signature for each in receipts) == 1
        assert unproven(scene.pair, DESTINATION, RECEIPT, receipts) == []
        stored = await scene.store.read(lambda tx: {row.content: row.receipt_signature for row in received(tx)})
        proofs = zip(envelopes, receipts, strict=True)
        assert stored == {envelope.content: receipt.signature for envelope, receipt in proofs}
        assert receipts_of(await scene.deliver(*envelopes)) == receipts

    play(tmp_path, scenario)


@pytest.mark.guarantee("G2", "G3")
def test_copies_in_the_commit_of_their_envelope_get_its_receipt_with_the_same_proof(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        understood_by(scene.pair, ORIGIN, DESTINATION)
        first, second, third = (each.envelope for each in incoming(scene, *NAMES))
        receipts = receipts_of(await scene.deliver(first, second, first, third, first))
        assert receipts[0] == receipts[2] == receipts[4]
        assert unproven(scene.pair, DESTINATION, RECEIPT, receipts) == []
        assert await scene.effects() == list(NAMES)
        assert receipts_of(await scene.deliver(first, second, third)) == [receipts[0], receipts[1], receipts[3]]

    play(tmp_path, scenario)


def test_answers_to_questions_of_one_commit_share_a_signature(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        understood_by(scene.pair, ORIGIN, DESTINATION)
        asked = [scene.pair.seal(outgoing_named(name), kind=QUERY) for name in NAMES]
        receipts = receipts_of(await scene.deliver(*(each.envelope for each in asked)))
        assert count_signatures(each.signature for each in receipts) == 1
        answers = [scene.answered(receipt, each) for receipt, each in zip(receipts, asked, strict=True)]
        assert answers == [b"0 effects"] * len(NAMES)

    play(tmp_path, scenario)


def test_the_only_envelope_and_the_only_receipt_of_a_commit_have_plain_signatures(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        understood_by(scene.pair, ORIGIN, DESTINATION)
        [sent] = await send_together(scene, "1")
        [receipt] = receipts_of(await scene.deliver(sent.envelope))
        assert (len(sent.envelope.signature), len(receipt.signature)) == (PLAIN, PLAIN)
        assert scene.opened(receipt, sent).envelope_id == "1"

    play(tmp_path, scenario)


@pytest.mark.parametrize("regions", [(), (ORIGIN,), (DESTINATION,)], ids=["neither", "origin", "destination"])
def test_plain_signatures_are_made_unless_both_regions_understand_proofs(
    tmp_path: Path, regions: Sequence[str]
) -> None:
    async def scenario(scene: Scene) -> None:
        understood_by(scene.pair, *regions)
        sent = [each.envelope for each in await send_together(scene, *NAMES)]
        receipts = receipts_of(await scene.deliver(*sent))
        assert {*(len(each.signature) for each in sent), *(len(each.signature) for each in receipts)} == {PLAIN}
        assert unproven(scene.pair, ORIGIN, ENVELOPE, sent) == []
        assert unproven(scene.pair, DESTINATION, RECEIPT, receipts) == []

    play(tmp_path, scenario)


def test_neighbours_of_an_operation_that_breaks_are_signed_anew_each_alone(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        understood_by(scene.pair, ORIGIN, DESTINATION)
        border, kinds, now = scene.pair.borders[DESTINATION], scene.desk.kinds(), scene.clock.now()

        def act(tx: Transaction, sealed: Sealed) -> Receipt:
            return receive(tx, border, kinds, sealed, now)

        def act_and_break(tx: Transaction, sealed: Sealed) -> Receipt:
            act(tx, sealed)
            raise ZeroDivisionError

        first, broken, last = incoming(scene, *NAMES)
        acts = (partial(act, sealed=first), partial(act_and_break, sealed=broken), partial(act, sealed=last))
        outcomes = await asyncio.gather(*map(scene.store.write, acts), return_exceptions=True)
        receipts = [each for each in outcomes if isinstance(each, Receipt)]
        assert [len(each.signature) for each in receipts] == [PLAIN] * 2
        assert receipts_of(await scene.deliver(first.envelope, last.envelope)) == receipts
        assert await scene.effects() == ["1", "3"]

    play(tmp_path, scenario)


class SilentTransport:
    """A transport whose destination takes no question."""

    async def deliver(self, batch: Batch, timeout: float, before_attempt: BeforeAttempt | None = None) -> BatchAnswer:
        """See the port."""
        return BatchAnswer(results=[DeliverResult()] * len(batch.envelopes))


def test_questions_of_one_batch_share_a_signature_and_a_repeated_question_keeps_its_own() -> None:
    pair = Pair()
    understood_by(pair, ORIGIN, DESTINATION)
    border = pair.borders[ORIGIN]
    carrier = QuestionCarrier(border, SilentTransport(), FixedClock())

    def asked(name: str) -> Sealed:
        return unsigned_envelope(outgoing_named(name), ORIGIN, now=NOW, revision=7, traceparent="")

    async def carry(*questions: Sealed) -> list[bytes]:
        await carrier.carry(questions, asyncio.get_running_loop().time() + 1)
        return [each.envelope.signature for each in questions]

    alone, *others = (asked(name) for name in ("0", *NAMES))
    [plain] = asyncio.run(carry(alone))
    kept, *shared = asyncio.run(carry(alone, *others))
    assert (len(plain), kept) == (PLAIN, plain)
    assert count_signatures(shared) == 1
    assert unproven(pair, ORIGIN, ENVELOPE, [each.envelope for each in (alone, *others)]) == []
