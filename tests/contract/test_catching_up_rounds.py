"""A loop that catches up asks in rounds: no region delays another, no loss is forgotten, a failure makes a pause."""

import asyncio
from pathlib import Path

import pytest

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store import catch_ups
from region_node.lifecycle.recovery.asking import Pauses
from tests.contract.catching_up import Reporter, loop_of, lose, page, progress
from tests.contract.relay_pair import HOUR, NOW, ORIGIN
from tests.contract.relay_scene import HENAN, PATIENCE_S, Scene, know_a_third, play

pytestmark = pytest.mark.usefixtures("patient_rounds")


def test_a_region_that_is_away_holds_up_no_other_one_after_a_second_loss_and_is_asked_seldom(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        know_a_third(scene)
        await lose(scene, NOW - HOUR, NOW + HOUR)
        await lose(scene, NOW - HOUR, NOW + HOUR, number=2)
        away = Reporter(refused=Refused(Reason.REASON_REGION_UNREACHABLE, region=ORIGIN))
        loop = loop_of(scene, away)
        assert not await loop.catch_up()
        assert not await scene.store.read(lambda tx: catch_ups.is_catching_up(tx, HENAN))
        assert await scene.store.read(lambda tx: catch_ups.is_catching_up(tx, ORIGIN))
        assert not await loop.catch_up()
        assert sorted(away.asked) == [ORIGIN, HENAN, HENAN], "one that is away is not asked at each look"
        older = Reporter(refused=Refused(Reason.REASON_UPGRADE_REQUIRED, region=ORIGIN, field="kind"))
        assert await loop_of(scene, older).catch_up()
        assert not await scene.store.read(lambda tx: catch_ups.is_catching_up(tx, ORIGIN)), "after either loss"

    play(tmp_path, scenario)


def test_a_region_that_reports_nothing_is_not_asked_at_each_look_while_another_one_is_away(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await lose(scene, NOW - HOUR, NOW + HOUR)
        older = Reporter(refused=Refused(Reason.REASON_UPGRADE_REQUIRED, region=ORIGIN, field="kind"))
        loop = loop_of(scene, older)
        assert await loop.catch_up()
        assert not await loop.catch_up()
        assert older.asked == [ORIGIN]

    play(tmp_path, scenario)


@pytest.mark.parametrize("reason", [Reason.REASON_UPGRADE_REQUIRED, Reason.REASON_REGION_UNREACHABLE])
def test_a_region_has_one_pause_after_a_round_whatever_number_of_losses_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: Reason.ValueType
) -> None:
    paused = list[str]()

    async def scenario(scene: Scene) -> None:
        for number in (1, 2, 3):
            await lose(scene, NOW - HOUR, NOW + HOUR, number)
        await loop_of(scene, Reporter(refused=Refused(reason, region=ORIGIN))).catch_up()

    monkeypatch.setattr(Pauses, "begin", lambda _, region, *__: paused.append(region))
    play(tmp_path, scenario)
    assert paused == [ORIGIN]


def test_a_page_that_the_store_cannot_note_now_is_not_asked_for_at_each_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(scene: Scene) -> None:
        def refuse(*_: object) -> None:
            raise Refused(Reason.REASON_STORE_UNCONFIRMED)

        monkeypatch.setattr("region_node.lifecycle.recovery.catching_up.compare_between", refuse)
        await lose(scene, NOW - HOUR, NOW + HOUR)
        reporter = Reporter({"": page()})
        loop = loop_of(scene, reporter)
        with pytest.raises(Refused, match="STORE_UNCONFIRMED"):
            await loop.catch_up()
        assert not await loop.catch_up()
        assert reporter.asked == [ORIGIN]

    play(tmp_path, scenario)


def test_a_region_whose_report_is_slow_delays_no_other_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(scene: Scene) -> None:
        know_a_third(scene)
        answers = asyncio.Event()

        async def slowly() -> None:
            await answers.wait()

        slow = Reporter({"": page()}, meanwhile=slowly)
        loop = loop_of(scene, slow)
        monkeypatch.setattr("region_node.lifecycle.recovery.asking.ROUND_SECONDS", 0.01)
        for number in (1, 2):
            await lose(scene, NOW - HOUR, NOW + HOUR, number)
            while (await progress(scene, number, HENAN)).finish_time is None:
                assert not await loop.catch_up()
        assert (await progress(scene)).finish_time is None
        answers.set()
        monkeypatch.setattr("region_node.lifecycle.recovery.asking.ROUND_SECONDS", PATIENCE_S)
        while (await progress(scene, 2)).finish_time is None:
            await loop.catch_up()
        assert slow.asked.count(ORIGIN) == 2

    play(tmp_path, scenario)


def test_a_loss_that_is_accepted_while_a_region_still_reports_after_another_one_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(scene: Scene) -> None:
        answers = asyncio.Event()

        async def slowly() -> None:
            await answers.wait()

        loop = loop_of(scene, Reporter({"": page()}, meanwhile=slowly))
        await lose(scene, NOW - HOUR, NOW + HOUR)
        with monkeypatch.context() as patched:
            patched.setattr("region_node.lifecycle.recovery.asking.ROUND_SECONDS", 0.01)
            assert not await loop.catch_up()
        await lose(scene, NOW - HOUR, NOW + HOUR, number=2)
        answers.set()
        assert not await loop.catch_up(), "the second loss is left"
        assert (await progress(scene)).finish_time is not None
        assert await loop.catch_up()
        assert (await progress(scene, 2)).finish_time is not None

    play(tmp_path, scenario)
