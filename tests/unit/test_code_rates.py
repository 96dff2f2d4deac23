"""How many codes an operator and its region may ask for in a minute, whoever the numbers belong to."""

import asyncio
import gc
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TypeVar, cast

import pytest

from gateway.api.region.v1.verification_service_pb2 import ChangePasswordRequest, VerifyRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, reason_name
from gateway.relay.workers import ThreadWorkers, Workers
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from region_node.customers.verification.application import VerificationApplication, VerificationPorts
from region_node.customers.verification.operations import (
    Attempt,
    Fresh,
    Said,
    Sent,
    begin_code,
    password_in_force,
    verify,
)
from region_node.customers.verification.rules import HashedPassword
from region_node.requests.checks import Questioner
from tests.bench.orders import requester
from tests.unit.billing_scene import Books, books

BEGAN = datetime(2030, 6, 15, 4, 0, 1, tzinfo=UTC)
FRESH = Fresh("123456", bytes(32))
DECOY = HashedPassword(bytes(16), 2, b"")
SPY = Questioner("henan", "spy")
T = TypeVar("T")


def attempt(region: str, operator: str, number: int, now: datetime) -> Attempt:
    return Attempt("Verify", Questioner(region, operator), f"r{number}", f"+86198510{number:05d}", "4711", now)


def ask(node: Books, region: str, operator: str, number: int, now: datetime) -> str:
    """Empty where a code is on its way, else the most that may be asked for."""
    answer = begin_code(node.tx, node.context, attempt(region, operator, number, now), FRESH)
    if isinstance(answer, Sent):
        return ""
    assert isinstance(answer, Refused)
    assert answer.reason == Reason.REASON_CODES_ASKED_TOO_OFTEN
    return answer.parameters["most"]


def test_a_region_that_invents_operators_is_stopped_with_all_of_them_until_the_minute_is_over() -> None:
    with books(BEGAN) as node:
        numbers = iter(range(10_000))
        told = [ask(node, "henan", f"o{each}", next(numbers), BEGAN) for each in range(10) for _ in range(60)]
        assert set(told) == {""}
        assert ask(node, "henan", "o0", next(numbers), BEGAN) == "60"
        assert [ask(node, "henan", f"o{each}", next(numbers), BEGAN) for each in range(10, 13)] == ["600"] * 3
        assert ask(node, "guangdong", "counter", next(numbers), BEGAN) == ""
        assert ask(node, "henan", "o0", next(numbers), BEGAN + timedelta(minutes=1)) == ""
        assert ask(node, "henan", "o0", next(numbers), BEGAN) == "60", "claims of that minute may be under way"
        assert ask(node, "henan", "o0", next(numbers), BEGAN + timedelta(minutes=2)) == ""
        assert node.rows("SELECT COUNT(DISTINCT minute) FROM code_rates") == [(2,)], "earlier minutes are forgotten"


def test_refusals_beyond_the_rate_write_nothing_after_the_first_one() -> None:
    with books(BEGAN) as node:
        for number in range(61):
            ask(node, "henan", "spy", number, BEGAN)
        before = node.rows("SELECT COUNT(*) FROM audit"), node.rows("SELECT SUM(codes) FROM code_rates")
        assert [ask(node, "henan", "spy", number, BEGAN) for number in range(61, 90)] == ["60"] * 29
        assert (node.rows("SELECT COUNT(*) FROM audit"), node.rows("SELECT SUM(codes) FROM code_rates")) == before


def guess(node: Books, number: int, now: datetime, *, code: str = "", has_password: bool = True) -> str:
    """The refusal of a code, or a password, from Henan's spy about an unassigned number."""
    asked = attempt("henan", "spy", number, now)
    found = password_in_force(node.tx, node.context, asked, code, DECOY) if has_password else None
    held = found.held if found is not None else None
    answer = verify(node.tx, node.context, asked, Said(code, has_password, held), bytes(32))
    assert isinstance(answer, Refused)
    is_hashed = "hashed" if held is not None else "not hashed"
    return f"{reason_name(answer.reason)}, {is_hashed}"


def test_who_tries_passwords_is_stopped_as_who_asks_for_codes_until_the_minute_is_over() -> None:
    with books(BEGAN) as node:
        assert [ask(node, "henan", "spy", number, BEGAN) for number in range(10)] == [""] * 10
        told = [guess(node, number, BEGAN) for number in range(10, 63)]
        assert told == [*["VERIFICATION_FAILED, hashed"] * 50, *["CODES_ASKED_TOO_OFTEN, not hashed"] * 3]
        assert ask(node, "henan", "spy", 63, BEGAN) == "60", "codes and passwords are counted together"
        never_sent = guess(node, 64, BEGAN, code="000000", has_password=False)
        assert never_sent == "CODES_ASKED_TOO_OFTEN, not hashed"
        assert guess(node, 65, BEGAN + timedelta(minutes=1)) == "VERIFICATION_FAILED, hashed"


def test_a_code_that_was_asked_for_is_checked_though_the_minute_has_no_more_codes() -> None:
    with books(BEGAN) as node:
        for number in range(61):
            ask(node, "henan", "spy", number, BEGAN)
        for has_password, told in ((False, "not hashed"), (True, "hashed")):
            found = guess(node, 7, BEGAN, code="000000", has_password=has_password)
            assert found == f"VERIFICATION_FAILED, {told}"


class Hashes:
    """Counts the passwords that are hashed at a time: each waits for `finish`."""

    def __init__(self) -> None:
        self.count = 0
        self.finish = asyncio.Event()

    async def alone(self, work: Callable[[], T]) -> T:
        self.count += 1
        await self.finish.wait()
        return work()


class BooksStore:
    """The books as a store."""

    def __init__(self, node: Books) -> None:
        self._tx = node.tx

    async def read(self, operation: Callable[[Transaction], T]) -> T:
        await asyncio.sleep(0)  # others go on meanwhile
        return operation(self._tx)

    write = read


def application(node: Books, hashes: Hashes | ThreadWorkers) -> VerificationApplication:
    store, clock = cast("Store", BooksStore(node)), cast("Clock", SimpleNamespace(now=lambda: BEGAN))
    ports = VerificationPorts(node.context, store, clock, cast("Workers", hashes), random.Random(5), None, 2)
    return VerificationApplication(ports)


async def reason_of(call: Awaitable[object]) -> str:
    with pytest.raises(Refused) as refused:
        await call
    return reason_name(refused.value.reason)


def test_no_more_passwords_are_hashed_at_a_time_than_may_be_tried_in_a_minute() -> None:
    async def scenario(node: Books, hashes: Hashes) -> Counter[str]:
        home = application(node, hashes)
        asked = [
            VerifyRequest(request_id="r1", number=f"+86198510{each:05d}", password="271828", requester=requester())
            for each in range(90)
        ]
        tries = [asyncio.create_task(reason_of(home.verify(SPY, each))) for each in asked]
        beside = asyncio.create_task(reason_of(home.verify(Questioner("henan", "counter"), asked[0])))
        await asyncio.wait(tries[60:])
        assert hashes.count == 61
        hashes.finish.set()
        assert await beside == "VERIFICATION_FAILED"
        return Counter(await asyncio.gather(*tries))

    with books(BEGAN) as node:
        told = asyncio.run(scenario(node, Hashes()))
    assert told == {"VERIFICATION_FAILED": 60, "CODES_ASKED_TOO_OFTEN": 30}


def test_a_password_counts_whose_caller_goes_away_while_it_is_hashed() -> None:
    defects = []

    async def scenario(node: Books, hashes: Hashes) -> Counter[str]:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: defects.append(told))
        home = application(node, hashes)
        asked = VerifyRequest(request_id="r1", number="+8619851000001", password="271828", requester=requester())
        changed = ChangePasswordRequest(
            request_id="r2", number=asked.number, password="271828", new_password="314159", requester=requester()
        )
        gone = [asyncio.create_task(each) for each in (home.verify(SPY, asked), home.change_password(SPY, changed))]
        while hashes.count < len(gone):  # noqa: ASYNC110 - it waits for what the application does
            await asyncio.sleep(0)
        for each in gone:
            each.cancel()
        await asyncio.wait(gone)
        hashes.finish.set()
        return Counter([await reason_of(home.verify(SPY, asked)) for _ in range(60)])

    with books(BEGAN) as node:
        told = asyncio.run(scenario(node, Hashes()))
    assert told["CODES_ASKED_TOO_OFTEN"] == 2
    gc.collect()
    assert not defects, "nobody is left to be told that it was wrong"


@pytest.mark.parametrize(("password", "turns"), [("", 1), ("271828", 3)], ids=["on its way", "being hashed"])
def test_what_no_rate_bounds_ends_with_its_caller(password: str, turns: int) -> None:
    sent = attempt(SPY.region, SPY.operator, 1, BEGAN)

    async def scenario(node: Books) -> None:
        home, before = application(node, Hashes()), asyncio.all_tasks()
        asked = VerifyRequest(
            request_id="r1", number=sent.number, code="000000", password=password, requester=requester()
        )
        gone = asyncio.create_task(home.verify(SPY, asked))
        for _ in range(turns):
            await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        assert gone.cancelled()
        assert asyncio.all_tasks() == before

    with books(BEGAN) as node:
        assert isinstance(begin_code(node.tx, node.context, sent, FRESH), Sent)
        asyncio.run(scenario(node))


def test_an_operator_that_floods_beyond_its_own_rate_leaves_its_region_the_rest() -> None:
    async def scenario(node: Books, hashes: Hashes) -> tuple[str, Counter[str]]:
        home, tries = application(node, hashes), range(700)  # more than the region may try in a minute
        asked = VerifyRequest(request_id="r1", number="+8619851000001", password="271828", requester=requester())
        flood = [asyncio.create_task(reason_of(home.verify(SPY, asked))) for _ in tries]
        beside = asyncio.create_task(reason_of(home.verify(Questioner("henan", "counter"), asked)))
        await asyncio.wait(flood[60:])
        hashes.finish.set()
        return await beside, Counter(await asyncio.gather(*flood))

    with books(BEGAN) as node:
        told, flood = asyncio.run(scenario(node, Hashes()))
    assert told == "VERIFICATION_FAILED"
    assert flood["CODES_ASKED_TOO_OFTEN"] == 640


def test_a_password_that_a_region_asks_about_waits_for_one_of_another_region_and_not_for_all() -> None:
    done: list[str] = []

    async def scenario(node: Books) -> None:
        workers = ThreadWorkers()
        home = application(node, workers)

        async def check(region: str, number: int) -> None:
            asked = VerifyRequest(
                request_id="r1", number=f"+86198510{number:05d}", password="271828", requester=requester()
            )
            assert await reason_of(home.verify(Questioner(region, "counter"), asked)) == "VERIFICATION_FAILED"
            done.append(region)

        try:
            async with asyncio.TaskGroup() as group:
                for number, region in enumerate((*["henan"] * 30, "guangdong")):
                    group.create_task(check(region, number))
        finally:
            workers.close()

    with books(BEGAN) as node:
        asyncio.run(scenario(node))
    assert done.index("guangdong") <= 3


def test_another_password_is_not_hashed_for_a_claim_that_is_wrong() -> None:
    hashes = Hashes()
    wrong = ChangePasswordRequest(
        request_id="r1", number="+8619851000001", code="000000", new_password="314159", requester=requester()
    )
    with books(BEGAN) as node:
        assert asyncio.run(reason_of(application(node, hashes).change_password(SPY, wrong))) == "CODE_EXPIRED"
    assert hashes.count == 0
