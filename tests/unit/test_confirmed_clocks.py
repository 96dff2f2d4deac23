"""A clock that nobody else confirms: people do, and each process of the database takes it from there."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar, cast

import pytest

from gateway.api.region.v1.recovery_service_pb2 import ConfirmClockRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.store.agreed_time import AgreedTimeKeeper, keep_agreed, last_agreed
from gateway.store.fenced import FencedStore
from gateway.store.port import Operation
from gateway.time.agreed_clock import LISTENING, AgreedClock
from gateway.time.clock import to_timestamp
from region_node.lifecycle.recovery.service import RecoveryService
from tests.unit.purging import NOW
from tests.unit.test_revoked_approvals import Region, region

T = TypeVar("T")
AHEAD = timedelta(days=20)


class Machine:
    """A machine whose clock is right for a while."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time

    def steady(self) -> float:
        return LISTENING


def waiting(here: Region) -> AgreedClock:
    """The clock of a node with a database that has kept a time of the future."""
    keep_agreed(here.kept.tx, NOW + AHEAD)
    clock, context = AgreedClock(Machine()), here.kept.context
    here.kept.context = replace(context, border=replace(context.border, clock=clock))
    clock.start_from(last_agreed(here.kept.tx))
    assert not clock.is_settled()
    return clock


def confirms(here: Region, present: datetime = NOW, reference: str = "INC-2042") -> str:
    service = RecoveryService(here.kept.context, here.store, cast("FencedStore", None), here.kept.context.border.clock)
    request = ConfirmClockRequest(present_time=to_timestamp(present), reference=reference)
    return here.answer(service.ConfirmClock, request)


def test_two_people_confirm_a_clock_and_the_audit_chain_has_it() -> None:
    with region() as here:
        clock = waiting(here)
        here.decide(confirms(here), "zhao")
        assert not clock.is_settled()
        assert confirms(here) == ""
        assert clock.is_settled()
        assert last_agreed(here.kept.tx) == NOW
        (row,) = [each for each in audit.rows(here.kept.tx) if each.action == "ConfirmClock"]
        assert "reference INC-2042, confirmed by staff zhao" in row.detail


def test_a_confirmation_is_for_one_reference() -> None:
    with region() as here:
        waiting(here)
        here.decide(confirms(here), "zhao")
        assert confirms(here, reference="INC-2043")


@pytest.mark.parametrize("error", [timedelta(minutes=3), -timedelta(days=1)])
def test_a_clock_that_differs_from_the_one_that_people_look_at_is_not_confirmed(error: timedelta) -> None:
    with region() as here:
        waiting(here)
        with pytest.raises(Refused) as refused:
            confirms(here, NOW + error)
        assert refused.value.reason == Reason.REASON_CLOCK_DIFFERS


def test_nobody_confirms_a_settled_clock_nor_one_that_others_tell_the_time() -> None:
    with region() as here:
        clock = waiting(here)
        clock.hear("coordinator", NOW + AHEAD)
        with pytest.raises(Refused) as refused:
            confirms(here)
        assert refused.value.reason == Reason.REASON_CLOCK_NEEDS_NOBODY
        clock.hear("coordinator", NOW)
        assert clock.is_settled()
        with pytest.raises(Refused) as refused:
            confirms(here)
        assert refused.value.reason == Reason.REASON_CLOCK_NEEDS_NOBODY


@pytest.mark.parametrize(("kept", "settles"), [(NOW, True), (NOW + timedelta(minutes=1), False)])
def test_another_process_takes_a_time_that_is_kept_while_it_waits_if_its_machine_shows_it(
    monkeypatch: pytest.MonkeyPatch, kept: datetime, settles: bool
) -> None:
    monkeypatch.setattr("gateway.store.agreed_time._LOOK", 0.001)

    async def scenario(here: Region) -> None:
        clock, looked = waiting(here), asyncio.Event()
        read = here.store.read

        async def noted(operation: Operation[T]) -> T:
            found = await read(operation)
            looks.append(found)
            looked.set()
            return found

        looks: list[object] = []
        monkeypatch.setattr(here.store, "read", noted)
        keeper = asyncio.create_task(AgreedTimeKeeper(here.store, clock).run())
        await looked.wait()
        keep_agreed(here.kept.tx, kept)
        async with asyncio.timeout(60):
            if settles:
                await clock.settled()
            while not settles and kept not in looks[:-1]:  # the last look may not have been gone through
                looked.clear()
                await looked.wait()
        assert clock.is_settled() == settles
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper

    with region() as here:
        asyncio.run(scenario(here))
