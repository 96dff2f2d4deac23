"""Rates of joiners: strangers of one network, or of all, keep out nobody who has a token that counts."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from coordinator.enrolments import rates
from coordinator.enrolments.decisions import APPROVED, INVITED, REJECTED, REQUESTED
from coordinator.enrolments.rates import ALL_JOINERS, JOINERS, JoiningRates
from gateway.api.coordinator.v1.enrolment_service_pb2 import Enrolment, EnrolmentState
from gateway.errors import Refused, reason_name
from gateway.time.clock import SystemClock, to_timestamp

NOW = datetime.now(UTC)
PATIENCE_S = 60.0
SEVERAL = 3


def enrolment(name: str, state: EnrolmentState.ValueType = INVITED, hours: int = 24) -> Enrolment:
    return Enrolment(id=name, state=state, end_time=to_timestamp(NOW + timedelta(hours=hours)))


class Registry:
    """Enrolments, whose reads are counted, and wait until they may go on."""

    def __init__(self, *enrolments: Enrolment) -> None:
        self.enrolments = enrolments
        self.reads = 0
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def read(self) -> tuple[Enrolment, ...]:
        self.reads += 1
        self.asked.set()
        await self.may_answer.wait()
        return self.enrolments


@pytest.fixture(autouse=True)
def without_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """No rate gives room by the time that a test takes."""
    for each in ("JOINERS_PER_SECOND", "ALL_JOINERS_PER_SECOND"):
        monkeypatch.setattr(rates, each, 1 / 3600)
    monkeypatch.setattr(rates, "LOOK", 3600.0)


async def told(joining: JoiningRates, network: str, name: str = "unknown") -> str:
    try:
        await joining.require_room(network, name)
    except Refused as refused:
        return reason_name(refused.reason)
    return ""


async def use_up(joining: JoiningRates) -> None:
    """Strangers of many networks take all of the total, and are refused once they have."""
    ends = [await told(joining, f"192.0.2.{number}") for number in range(ALL_JOINERS) for _ in range(2)]
    assert (ends.count(""), ends[-1]) == (ALL_JOINERS, "ENROLMENTS_TOO_MANY")


def test_strangers_of_one_network_take_its_rate_and_nothing_of_another() -> None:
    async def scenario() -> None:
        joining = JoiningRates(Registry().read, SystemClock())
        ends = [await told(joining, "192.0.2.1") for _ in range(2 * ALL_JOINERS)]
        assert ends == [""] * JOINERS + ["ENROLMENTS_TOO_MANY"] * (2 * ALL_JOINERS - JOINERS)
        assert [await told(joining, "192.0.2.2") for _ in range(JOINERS)] == [""] * JOINERS

    asyncio.run(scenario())


@pytest.mark.parametrize("state", [INVITED, REQUESTED, APPROVED])
def test_a_token_that_counts_is_served_for_its_own_rate_once_strangers_have_used_up_the_total(
    state: EnrolmentState.ValueType,
) -> None:
    async def scenario() -> None:
        joining = JoiningRates(Registry(enrolment("known", state), enrolment("other")).read, SystemClock())
        await use_up(joining)
        ends = [await told(joining, "198.51.100.1", "known") for _ in range(JOINERS + 1)]
        assert ends == [""] * JOINERS + ["ENROLMENTS_TOO_MANY"]
        assert await told(joining, "198.51.100.1", "other") == ""

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "ended", [enrolment("known", REJECTED), enrolment("known", hours=-1)], ids=["rejected", "past"]
)
def test_a_token_that_counts_no_more_is_a_stranger_s(ended: Enrolment) -> None:
    async def scenario() -> None:
        joining = JoiningRates(Registry(ended).read, SystemClock())
        await use_up(joining)
        assert await told(joining, "198.51.100.1", "known") == "ENROLMENTS_TOO_MANY"

    asyncio.run(scenario())


def test_strangers_beyond_the_rates_have_the_tokens_read_once_for_all_of_them() -> None:
    async def scenario() -> None:
        registry = Registry(enrolment("known"))
        joining = JoiningRates(registry.read, SystemClock())
        assert await told(JoiningRates(registry.read, SystemClock()), "192.0.2.1") == ""
        assert registry.reads == 0, "a call within the rates has no need of it"
        await use_up(joining)
        assert registry.reads == 1

    asyncio.run(scenario())


def test_a_stranger_who_goes_away_cuts_the_read_off_for_nobody() -> None:
    async def scenario() -> None:
        registry = Registry(enrolment("known"))
        joining = JoiningRates(registry.read, SystemClock())
        for _ in range(JOINERS):
            await told(joining, "192.0.2.1")
        registry.may_answer.clear()
        registry.asked.clear()
        strangers = [asyncio.create_task(told(joining, "192.0.2.1")) for _ in range(SEVERAL)]
        waiting = asyncio.create_task(told(joining, "192.0.2.1", "known"))
        async with asyncio.timeout(PATIENCE_S):
            await registry.asked.wait()
        for each in strangers:
            each.cancel()
        await asyncio.wait(strangers)
        registry.may_answer.set()
        assert await waiting == ""
        assert registry.reads == 1

    asyncio.run(scenario())
