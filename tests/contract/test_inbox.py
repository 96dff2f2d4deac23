"""A region's handling of an envelope, on a real store: executed once, with one permanent receipt."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.api.federation.v1.federation_pb2 import Feature, MemberState
from gateway.api.relay.v1.relay_pb2 import (
    Batch,
    Envelope,
    EnvelopeContent,
    EnvelopeKind,
    HopStamp,
    Journey,
    Outcome,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, reason_name
from gateway.federation.current import CurrentFederation
from gateway.process import failpoints
from gateway.relay.at_rest import envelope_subject
from gateway.relay.border import Moved
from gateway.relay.envelopes import BATCH_LIMIT, Sealed
from gateway.relay.inbox import find, forget
from gateway.relay.service import ANSWERS_BYTES
from gateway.security.authority import Authority
from gateway.security.signing import TrustedKeys
from gateway.store import vault
from gateway.store.port import WriteAfterRefusal
from gateway.store.vault import KeyDestroyed
from gateway.time.clock import from_timestamp, to_microseconds
from gateway.values.choices import Choice, UnknownChoice
from tests.contract.relay_pair import DESTINATION, FEDERATION, HOUR, NOW, ORIGIN, OUTGOING, QUERY
from tests.contract.relay_scene import Scene, play, refusal
from tests.sealed_envelopes import seal

JOINED, SUSPENDED = MemberState.MEMBER_STATE_JOINED, MemberState.MEMBER_STATE_SUSPENDED


@pytest.mark.guarantee("G10", "G14")
def test_a_command_is_acted_on_and_its_receipt_signed_and_audited_in_one_transaction(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        sent = scene.pair.seal()
        receipt = scene.opened(await scene.receive(sent), sent)
        assert (receipt.outcome, receipt.result) == (Outcome.OUTCOME_ACCEPTED, b"done")
        assert (from_timestamp(receipt.decide_time), receipt.federation_revision) == (NOW, 7)
        assert await scene.effects() == ["one"]
        assert await scene.audited() == [("region/guangdong", "ENVELOPE_KIND_ORDER_SUBMIT")]
        row = await scene.store.read(lambda tx: find(tx, ORIGIN, "1"))
        assert row is not None
        assert row.content == sent.envelope.content, "the executed bytes"

    play(tmp_path, scenario)


@pytest.mark.guarantee("G3")
def test_the_same_command_gets_the_same_bytes_and_has_no_second_effect(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        sent = scene.pair.seal()
        first = await scene.receive(sent)
        scene.clock.instant += HOUR * 48
        scene.desk.result = b"something else by now"
        scene.pair.know(JOINED, revision=9)
        assert await scene.receive(sent) == first, "also after it expired, and whatever is known now"
        assert await scene.effects() == ["one"]
        assert len(await scene.audited()) == 1

    play(tmp_path, scenario)


@pytest.mark.guarantee("G3")
def test_a_receipt_is_stored_as_its_difference_where_all_processes_read_it_and_comes_back_as_signed(
    tmp_path: Path,
) -> None:
    async def scenario(scene: Scene) -> None:
        first = []
        for name, features in (("before", ()), ("after", [Feature.FEATURE_RECEIPT_DIFFERENCES])):
            scene.pair.know(JOINED, features=features)
            sent = scene.pair.seal(envelope_id=name)
            first.append((sent, await scene.receive(sent)))
        query = "SELECT LENGTH(receipt_content) FROM inbox ORDER BY envelope_id = 'before'"
        short, whole = await scene.store.read(lambda tx: tx.all(int, query))
        assert short < whole
        for sent, receipt in first:
            assert await scene.receive(sent) == receipt
            scene.opened(receipt, sent)

    play(tmp_path, scenario)


def test_a_command_that_is_forgotten_has_no_second_effect_although_it_is_still_good(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        sent = scene.pair.seal(lifetime=HOUR * 48)
        await scene.receive(sent)
        scene.clock.instant += HOUR
        await scene.store.write(lambda tx: forget(tx, [(ORIGIN, "1")], to_microseconds(NOW + HOUR), NOW + HOUR))
        await scene.store.write(lambda tx: forget(tx, [], to_microseconds(NOW - HOUR), NOW))
        receipt = scene.opened(await scene.receive(sent), sent)
        assert (receipt.outcome, receipt.reason) == (
            Outcome.OUTCOME_REFUSED,
            Reason.REASON_ENVELOPE_FORGOTTEN,
        ), "also where the rules keep more since"
        assert await scene.effects() == ["one"]

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("is_soon_forgotten", "told"), [(True, "ENVELOPE_FORGOTTEN"), (False, "ENVELOPE_CONTENT_DESTROYED")]
)
def test_a_repeat_whose_content_is_destroyed_is_answered_for_good_only_where_its_kind_is_soon_forgotten(
    tmp_path: Path, is_soon_forgotten: bool, told: str
) -> None:
    async def scenario(scene: Scene) -> None:
        scene.desk.is_soon_forgotten = is_soon_forgotten
        sent = scene.pair.seal(lifetime=HOUR * 200)
        await scene.receive(sent)
        await scene.store.write(lambda tx: vault.destroy(tx, [envelope_subject(sent.content.subject)]))
        scene.clock.instant += HOUR * 192
        if is_soon_forgotten:
            receipt = scene.opened(await scene.receive(sent), sent)
            assert (receipt.outcome, reason_name(receipt.reason)) == (Outcome.OUTCOME_REFUSED, told)
        else:
            assert await refusal(scene.receive(sent)) == told
        assert await scene.effects() == ["one"]
        assert await scene.inbox_size() == 1

    play(tmp_path, scenario)


@pytest.mark.parametrize("since", [timedelta(0), -HOUR])
def test_what_was_made_since_is_acted_on(tmp_path: Path, since: timedelta) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.store.write(lambda tx: forget(tx, [], to_microseconds(NOW + since), NOW))
        await scene.receive(scene.pair.seal())
        assert await scene.effects() == ["one"]

    play(tmp_path, scenario)


def test_what_is_the_same_however_often_it_is_done_is_done_however_old(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        scene.desk.is_repeatable = True
        await scene.store.write(lambda tx: forget(tx, [], to_microseconds(NOW + HOUR), NOW + HOUR))
        await scene.receive(scene.pair.seal())
        assert await scene.effects() == ["one"]

    play(tmp_path, scenario)


@pytest.mark.guarantee("G2")
@pytest.mark.parametrize("copies", [2, 20])
def test_copies_that_arrive_together_have_one_effect_and_one_receipt(tmp_path: Path, copies: int) -> None:
    async def scenario(scene: Scene) -> None:
        sent = scene.pair.seal()
        results = await scene.deliver(*[sent.envelope] * copies)
        assert len({result.receipt.content for result in results}) == 1
        assert len({result.receipt.signature for result in results}) == 1
        assert await scene.effects() == ["one"]

    play(tmp_path, scenario)


@pytest.mark.guarantee("G3")
def test_the_same_id_with_other_bytes_is_refused_and_does_nothing(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.receive(scene.pair.seal())
        assert await refusal(scene.receive(scene.pair.seal(payload=b"another"))) == "ENVELOPE_ID_REUSED"
        assert await scene.effects() == ["one"]
        assert await scene.inbox_size() == 1

    play(tmp_path, scenario)


def test_the_same_id_of_another_origin_is_another_envelope(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.receive(scene.pair.seal())
        content = EnvelopeContent()
        content.CopyFrom(scene.pair.seal(payload=b"two").content)
        content.origin = DESTINATION
        await scene.receive(Sealed(Envelope(content=content.SerializeToString()), content))
        assert await scene.effects() == ["one", "two"]

    play(tmp_path, scenario)


def test_a_lasting_refusal_is_an_answer_and_stays_the_answer(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        scene.desk.before_effect = Refused(Reason.REASON_IN_ARREARS, amount="1.00 CNY")
        sent = scene.pair.seal()
        first = await scene.receive(sent)
        receipt = scene.opened(first, sent)
        assert (receipt.outcome, receipt.reason) == (Outcome.OUTCOME_REFUSED, Reason.REASON_IN_ARREARS)
        assert dict(receipt.reason_parameters) == {"amount": "1.00 CNY"}
        scene.desk.before_effect = None
        assert await scene.receive(sent) == first, "paid meanwhile: a new order is needed"
        assert await scene.effects() == []

    play(tmp_path, scenario)


def test_what_is_sealed_under_a_destroyed_key_is_to_other_regions_as_if_it_had_never_been(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        scene.desk.before_effect = KeyDestroyed("the key 1 is gone")
        sent = scene.pair.seal()
        receipt = scene.opened(await scene.receive(sent), sent)
        assert (receipt.outcome, receipt.reason) == (
            Outcome.OUTCOME_REFUSED,
            Reason.REASON_SUBSCRIPTION_NOT_FOUND,
        )
        assert await scene.effects() == []

    play(tmp_path, scenario)


def test_a_temporary_refusal_is_no_answer_and_the_same_envelope_succeeds_later(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        scene.desk.before_effect = Refused(Reason.REASON_CONFIGURATION_MISSING)
        sent = scene.pair.seal()
        assert await refusal(scene.receive(sent)) == "CONFIGURATION_MISSING"
        assert await scene.inbox_size() == 0
        scene.desk.before_effect = None
        assert scene.opened(await scene.receive(sent), sent).outcome == Outcome.OUTCOME_ACCEPTED
        assert await scene.effects() == ["one"]

    play(tmp_path, scenario)


def test_what_this_version_cannot_read_is_no_answer_and_is_acted_on_after_the_upgrade(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(scene: Scene) -> None:
        scene.desk.before_effect = UnknownChoice(Choice("command", "OrderCommand.command", 7))
        sent = scene.pair.seal()
        result, _ = await scene.deliver(sent.envelope, sent.envelope)
        assert caplog.text.count(f"upgrade this node for {ORIGIN}: UPGRADE_REQUIRED") == 1
        assert result.not_delivered.reason == Reason.REASON_UPGRADE_REQUIRED
        assert dict(result.not_delivered.reason_parameters) == {"region": DESTINATION, "field": "command = 7"}
        assert await scene.inbox_size() == 0
        scene.desk.before_effect = None
        assert scene.opened(await scene.receive(sent), sent).outcome == Outcome.OUTCOME_ACCEPTED
        assert await scene.effects() == ["one"]

    play(tmp_path, scenario)


def test_moved_is_an_answer_for_ever_at_this_destination(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        scene.desk.before_effect = Moved("henan")
        sent = scene.pair.seal()
        first = await scene.receive(sent)
        receipt = scene.opened(first, sent)
        assert (receipt.outcome, receipt.moved_to) == (Outcome.OUTCOME_MOVED, "henan")
        scene.desk.before_effect = None
        assert await scene.receive(sent) == first, "the customer came back: the id is spent here all the same"
        assert await scene.effects() == []

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("late_by", "outcome"),
    [(timedelta(0), Outcome.OUTCOME_ACCEPTED), (timedelta(microseconds=1), Outcome.OUTCOME_REFUSED)],
)
def test_what_arrives_after_its_time_is_never_executed_late(
    tmp_path: Path, late_by: timedelta, outcome: Outcome.ValueType
) -> None:
    async def scenario(scene: Scene) -> None:
        sent = scene.pair.seal()
        scene.clock.instant = NOW + HOUR + late_by
        receipt = scene.opened(await scene.receive(sent), sent)
        assert receipt.outcome == outcome
        if late_by:
            assert receipt.reason == Reason.REASON_ENVELOPE_EXPIRED
            assert await scene.effects() == []

    play(tmp_path, scenario)


@pytest.mark.parametrize("defect", [Refused(Reason.REASON_IN_ARREARS), Moved("henan")], ids=["refused", "moved"])
def test_a_handler_that_refuses_after_its_effect_has_none(tmp_path: Path, defect: Exception) -> None:
    """A refused order with an effect would be worse than an order that waits for a repair."""

    async def scenario(scene: Scene) -> None:
        scene.desk.after_effect = defect
        sent = scene.pair.seal()
        with pytest.raises(WriteAfterRefusal):
            await scene.receive(sent)
        assert await scene.effects() == []
        assert await scene.inbox_size() == 0
        scene.desk.after_effect = None
        await scene.receive(sent)
        assert await scene.effects() == ["one"]

    play(tmp_path, scenario)


def test_a_handler_that_breaks_leaves_nothing_and_its_neighbours_are_answered(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        broken = scene.pair.seal()
        scene.desk.after_effect = ZeroDivisionError()
        [result] = await scene.deliver(broken.envelope)
        assert result.not_delivered.reason == Reason.REASON_INTERNAL
        assert await scene.effects() == []
        scene.desk.after_effect = None
        results = await scene.deliver(broken.envelope, scene.pair.seal(envelope_id="2", payload=b"two").envelope)
        assert all(result.HasField("receipt") for result in results)
        assert await scene.effects() == ["one", "two"]

    play(tmp_path, scenario)


def test_a_suspended_region_is_turned_away_and_nothing_is_kept(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        sent = scene.pair.seal()
        scene.pair.know(SUSPENDED)
        assert await refusal(scene.receive(sent)) == "REGION_SUSPENDED"
        assert await scene.inbox_size() == 0
        scene.pair.know(JOINED)
        await scene.receive(sent)
        assert await scene.effects() == ["one"]

    play(tmp_path, scenario)


def test_a_region_that_knows_itself_suspended_takes_nothing_whoever_brings_it(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        sent = scene.pair.seal()
        scene.pair.know(JOINED, destination=SUSPENDED)
        assert await refusal(scene.receive(sent)) == "REGION_SUSPENDED"
        assert await scene.inbox_size() == 0
        scene.pair.know(JOINED)
        await scene.receive(sent)
        assert await scene.effects() == ["one"]

    play(tmp_path, scenario)


def test_with_a_clock_that_cannot_be_trusted_nothing_new_is_acted_on_and_old_answers_are_given(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        sent = scene.pair.seal()
        first = await scene.receive(sent)
        clock = scene.pair.borders[DESTINATION].clock
        clock.hear("coordinator", clock.now() + timedelta(seconds=31))
        assert await refusal(scene.receive(scene.pair.seal(envelope_id="2"))) == "CLOCK_UNTRUSTED"
        assert await scene.receive(sent) == first
        clock.hear("coordinator", clock.now())
        assert await scene.effects() == ["one"]

    play(tmp_path, scenario)


def test_a_kind_that_this_region_does_not_serve_is_turned_away(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        unserved = scene.pair.seal(kind=EnvelopeKind.ENVELOPE_KIND_ORDER_UPDATE)
        assert await refusal(scene.receive(unserved)) == "ENVELOPE_KIND_NOT_ALLOWED"
        assert await scene.inbox_size() == 0

    play(tmp_path, scenario)


def test_a_query_is_answered_afresh_each_time_audited_each_time_and_never_stored(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        asked = scene.pair.seal(envelope_id="question", kind=QUERY)
        assert scene.answered(await scene.receive(asked), asked) == b"0 effects"
        await scene.receive(scene.pair.seal())
        assert scene.answered(await scene.receive(asked), asked) == b"1 effects"
        assert await scene.inbox_size() == 1
        assert [action for _, action in await scene.audited()].count("ENVELOPE_KIND_BILL_QUERY") == 2

    play(tmp_path, scenario)


def test_queries_of_one_batch_are_answered_and_audited_one_by_one(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        asked = [scene.pair.seal(envelope_id=name, kind=QUERY) for name in "abcde"]
        results = await scene.deliver(*(each.envelope for each in asked))
        told = [scene.answered(result.receipt, each) for result, each in zip(results, asked, strict=True)]
        assert told == [b"0 effects"] * 5
        assert await scene.audited() == [("region/guangdong", "ENVELOPE_KIND_BILL_QUERY")] * 5

    play(tmp_path, scenario)


def test_a_batch_is_answered_in_its_order_each_envelope_by_itself(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        good, bad = scene.pair.seal(), scene.pair.seal(envelope_id="2", payload=b"two")
        forged = Envelope(content=bad.envelope.content, signature=good.envelope.signature)
        other = scene.pair.seal(envelope_id="3", destination="henan")
        last = scene.pair.seal(envelope_id="4", payload=b"four")
        borrowed = seal(
            OUTGOING, "henan", scene.pair.borders[ORIGIN].signer, now=NOW, revision=7, traceparent=""
        ).envelope
        batch = (good.envelope, forged, other.envelope, Envelope(), last.envelope, borrowed)
        results = await scene.deliver(*batch)
        assert [result.not_delivered.reason for result in results] == [
            Reason.REASON_UNSPECIFIED,
            Reason.REASON_ENVELOPE_SIGNATURE_INVALID,
            Reason.REASON_ENVELOPE_INVALID,
            Reason.REASON_ENVELOPE_INVALID,
            Reason.REASON_UNSPECIFIED,
            Reason.REASON_ENVELOPE_SENDER_WRONG,
        ]
        assert dict(results[5].not_delivered.reason_parameters) == {"sender": f"region/{ORIGIN}", "region": "henan"}
        assert await scene.denied() == [(f"region/{ORIGIN}", "Deliver", "ENVELOPE_SENDER_WRONG")]
        assert scene.opened(results[0].receipt, good).envelope_id == "1"
        assert scene.opened(results[4].receipt, last).envelope_id == "4"
        assert await scene.effects() == ["one", "four"]

    play(tmp_path, scenario)


def test_a_region_that_knows_no_federation_yet_takes_nothing_and_no_signature_for_forged(tmp_path: Path) -> None:
    """As a process does that was upgraded, and has not heard of the coordinator yet."""

    async def scenario(scene: Scene) -> None:
        sent, border = scene.pair.seal(), scene.pair.borders[DESTINATION]
        nobody = Authority.create(FEDERATION, NOW, NOW + timedelta(days=1))
        keys = TrustedKeys(nobody.certificate_pem, FEDERATION)
        scene.pair.borders[DESTINATION] = replace(border, keys=keys, current=CurrentFederation())
        [early] = await scene.deliver(sent.envelope)
        assert early.not_delivered.reason == Reason.REASON_CONFIGURATION_MISSING
        assert await scene.effects() == []
        scene.pair.borders[DESTINATION] = border
        [result] = await scene.deliver(sent.envelope)
        assert scene.opened(result.receipt, sent).envelope_id == "1"
        assert await scene.effects() == ["one"]

    play(tmp_path, scenario)


def test_answers_that_have_no_room_in_one_message_are_given_to_a_repeat(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        scene.desk.result = bytes(ANSWERS_BYTES // 2 - 1000)
        sent = [scene.pair.seal(envelope_id=name, payload=name.encode()) for name in "123"]
        first, second, third = await scene.deliver(*(each.envelope for each in sent))
        assert scene.answered(first.receipt, sent[0]) == scene.answered(second.receipt, sent[1]) == scene.desk.result
        assert third.not_delivered.reason == Reason.REASON_MESSAGE_TOO_LARGE
        [again] = await scene.deliver(sent[2].envelope)
        assert scene.answered(again.receipt, sent[2]) == scene.desk.result
        assert await scene.effects() == ["1", "2", "3"], "each had its effect once"

    play(tmp_path, scenario)


def test_a_batch_beyond_the_limit_is_refused_as_a_whole(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        assert await refusal(scene.deliver(*[scene.pair.seal().envelope] * (BATCH_LIMIT + 1))) == "REQUEST_INVALID"
        assert await scene.effects() == []

    play(tmp_path, scenario)


def test_an_empty_batch_only_tells_that_somebody_is_there(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        stamp = HopStamp(party="coordinator/0", event="forwarded")
        request = Batch(destination=DESTINATION, journey=Journey(stamps=[stamp]))
        response = await scene.receiver.deliver(request, ORIGIN)
        assert not response.results
        stamps = [(stamp.party, stamp.event) for stamp in response.journey.stamps]
        assert stamps == [("coordinator/0", "forwarded"), (DESTINATION, "received"), (DESTINATION, "committed")]

    play(tmp_path, scenario)


def test_crash_points_are_those_of_commands_whatever_is_asked_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: list[str] = []
    monkeypatch.setattr(failpoints, "reach", reached.append)

    async def scenario(scene: Scene) -> None:
        await scene.deliver(scene.pair.seal(envelope_id="question", kind=QUERY).envelope)
        assert reached == []
        await scene.deliver(scene.pair.seal().envelope)
        assert reached == ["S9.before-commit", "S9.after-commit"]

    play(tmp_path, scenario)
