"""A question whose answer takes more than one transaction: answered like any other, refused like any other."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, Outcome, Receipt
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.border import Moved, SlowQuery
from gateway.relay.envelopes import Answer
from gateway.relay.inbox import answer_slowly, receive
from gateway.time.clock import BETWEEN_TRUSTED
from tests.contract.relay_pair import DESTINATION, HOUR, NOW, QUERY
from tests.contract.relay_scene import Scene, play, refusal

JOINED, SUSPENDED = MemberState.MEMBER_STATE_JOINED, MemberState.MEMBER_STATE_SUSPENDED
ACCEPTED, REFUSED, MOVED = Outcome.OUTCOME_ACCEPTED, Outcome.OUTCOME_REFUSED, Outcome.OUTCOME_MOVED
Answering = Callable[[EnvelopeContent, datetime], Awaitable[Answer]]


def answering(scene: Scene, error: Exception | None = None) -> Answering:
    """Writes twice, each time in a transaction of its own; raises then, where there is an error."""

    async def answer(content: EnvelopeContent, now: datetime) -> Answer:
        await scene.store.write(lambda tx: tx.execute("INSERT INTO effects (effect) VALUES ('first')"))
        await scene.store.write(lambda tx: tx.execute("INSERT INTO effects (effect) VALUES ('second')"))
        if error is not None:
            raise error
        return Answer(ACCEPTED, result=b"answered")

    return answer


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (None, ACCEPTED, Reason.REASON_UNSPECIFIED),
        (Refused(Reason.REASON_CODE_EXPIRED), REFUSED, Reason.REASON_CODE_EXPIRED),
        (Moved("henan"), MOVED, Reason.REASON_UNSPECIFIED),
    ],
)
def test_it_is_answered_signed_and_audited_and_what_it_wrote_stays(
    tmp_path: Path, error: Exception | None, outcome: Outcome.ValueType, reason: Reason.ValueType
) -> None:
    async def scenario(scene: Scene) -> None:
        sent, border = scene.pair.seal(kind=QUERY), scene.pair.borders[DESTINATION]
        query = SlowQuery(answering(scene, error))
        receipt = scene.opened(await answer_slowly(scene.store, border, query, sent, scene.clock.now()), sent)
        assert (receipt.outcome, receipt.reason) == (outcome, reason)
        assert await scene.effects() == ["first", "second"]
        assert await scene.audited() == [("region/guangdong", "ENVELOPE_KIND_BILL_QUERY")]

    play(tmp_path, scenario)


def test_what_may_pass_is_told_as_such_and_leaves_no_answer(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        sent, border = scene.pair.seal(kind=QUERY), scene.pair.borders[DESTINATION]
        query = SlowQuery(answering(scene, Refused(Reason.REASON_NOTIFICATION_UNAVAILABLE)))
        told = await refusal(answer_slowly(scene.store, border, query, sent, scene.clock.now()))
        assert told == "NOTIFICATION_UNAVAILABLE"

    play(tmp_path, scenario)


def test_nothing_is_begun_for_a_suspended_region_or_after_its_time(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        sent, border = scene.pair.seal(kind=QUERY), scene.pair.borders[DESTINATION]
        query = SlowQuery(answering(scene))
        late = await answer_slowly(scene.store, border, query, sent, scene.clock.now() + 2 * HOUR)
        assert scene.opened(late, sent).reason == Reason.REASON_ENVELOPE_EXPIRED
        scene.pair.know(SUSPENDED, revision=8)
        told = await refusal(answer_slowly(scene.store, border, query, sent, scene.clock.now()))
        assert told == "REGION_SUSPENDED"
        assert await scene.effects() == []

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("late_by", "outcome"), [(timedelta(0), ACCEPTED), (timedelta(microseconds=1), REFUSED)], ids=["within", "beyond"]
)
def test_a_query_slow_or_not_is_answered_however_two_trusted_clocks_differ(
    tmp_path: Path, late_by: timedelta, outcome: Outcome.ValueType
) -> None:
    async def scenario(scene: Scene) -> None:
        lifetime = timedelta(seconds=10)
        sent, border = scene.pair.seal(kind=QUERY, lifetime=lifetime), scene.pair.borders[DESTINATION]
        scene.clock.instant = NOW + lifetime + BETWEEN_TRUSTED + late_by
        slow = await answer_slowly(scene.store, border, SlowQuery(answering(scene)), sent, scene.clock.now())
        for receipt in (slow, await scene.receive(sent)):
            assert scene.opened(receipt, sent).outcome == outcome

    play(tmp_path, scenario)


def test_it_is_never_answered_inside_a_transaction(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        sent, border, now = scene.pair.seal(kind=QUERY), scene.pair.borders[DESTINATION], scene.clock.now()
        kinds = {QUERY: SlowQuery(answering(scene))}

        async def received() -> Receipt:
            return await scene.store.write(lambda tx: receive(tx, border, kinds, sent, now))

        told = await refusal(received())
        assert told == "ENVELOPE_KIND_NOT_ALLOWED"

    play(tmp_path, scenario)
