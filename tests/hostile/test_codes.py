"""Floods of codes and passwords: whoever asks and guesses is stopped, and another operator's customer is verified."""

import asyncio
import itertools
import random
import re
import time
from collections import Counter
from collections.abc import Awaitable

import grpc
import pytest
from google.rpc import error_details_pb2

from deploy.local.federation import LocalFederation
from gateway.api.region.v1.verification_service_pb2 import (
    ChangePasswordRequest,
    SendCodeRequest,
    VerifyRequest,
)
from gateway.api.region.v1.verification_service_pb2_grpc import VerificationServiceStub
from gateway.errors import details_in, from_rpc_error, reason_name, unpacks
from tests.bench.orders import HOME, all_lines, requester
from tests.hostile.caller import CALL_SECONDS
from tests.hostile.conftest import LINES, OF_STREAM, RESTS, SECONDS, Target
from tests.hostile.served import KEPT, Served, require_served

MOST = 60  # codes and guesses of an operator in a minute: the policy `codes-of-an-operator`
AT_A_TIME = 32  # calls of each kind
STOPPED = "RESOURCE_EXHAUSTED, CODES_ASKED_TOO_OFTEN, RetryInfo"
LOOK = 0.01  # seconds
GROWTH = KEPT + 3 * AT_A_TIME * OF_STREAM  # bytes
PASSWORD = "271828"
GUESSED = "141421"
HONEST_LINES = 2  # of the honest operator's customers; the flood leaves them out

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SECONDS)]


def told(error: grpc.aio.AioRpcError) -> str:
    """The status of a refusal and its reason, and whether it tells when to come again."""
    refused, details = from_rpc_error(error), details_in(error.trailing_metadata() or ())
    found = [error.code().name, reason_name(refused.reason) if refused else error.details() or ""]
    found += ["RetryInfo" for each in details if unpacks(each, error_details_pb2.RetryInfo())]
    return ", ".join(found)


class Flood:
    """An operator system that asks for codes of one number after the other, and guesses codes and passwords."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._service = VerificationServiceStub(channel)
        numbers = [each.number for each in all_lines(customers=2 * LINES)]
        self.assigned = numbers[HONEST_LINES:LINES]
        """Of customers; the numbers behind them are nobody's."""
        self._numbers = itertools.cycle(numbers[HONEST_LINES:])
        self._ids = (f"flood-{number}" for number in itertools.count())
        self.sent: list[str] = []
        """The numbers for which a code was asked for and not refused."""
        self.ends = Counter[tuple[str, str]]()
        """How calls end, by their method: as `told`, if they are refused."""

    async def ask(self) -> None:
        """Asks for a code of the next number."""
        number = next(self._numbers)
        asked = SendCodeRequest(request_id=next(self._ids), number=number, requester=requester())
        if not await self._end_of("SendCode", self._service.SendCode(asked, timeout=CALL_SECONDS)):
            self.sent.append(number)

    async def guess_code(self) -> None:
        """Guesses a code that nobody was sent."""
        code = f"{random.randrange(10**6):06d}"
        asked = VerifyRequest(request_id=next(self._ids), number=next(self._numbers), code=code, requester=requester())
        await self._end_of("Verify", self._service.Verify(asked, timeout=CALL_SECONDS))

    async def guess_password(self) -> None:
        """Guesses the password of a number, to put another one in force."""
        asked = ChangePasswordRequest(
            request_id=next(self._ids),
            number=next(self._numbers),
            password=GUESSED,
            new_password=PASSWORD,
            requester=requester(),
        )
        await self._end_of("ChangePassword", self._service.ChangePassword(asked, timeout=CALL_SECONDS))

    async def _end_of(self, method: str, call: Awaitable[object]) -> str:
        end = ""
        try:
            await call
        except grpc.aio.AioRpcError as error:
            end = told(error)
        self.ends[method, end] += 1
        return end

    @property
    def is_stopped(self) -> bool:
        """Whether each kind of call was refused."""
        return {method for method, end in self.ends if end == STOPPED} == {"SendCode", "Verify", "ChangePassword"}


class Honest:
    """Another operator system, with two customers: one reads out a code, the other one has a password."""

    def __init__(self, channel: grpc.aio.Channel, federation: LocalFederation) -> None:
        self._service = VerificationServiceStub(channel)
        self._phones = federation.phones(HOME)
        self._with_code, self._with_password = (each.number for each in all_lines(customers=HONEST_LINES))

    async def choose_password(self) -> None:
        """The customer chooses a password, by a code."""
        number = self._with_password
        asked = ChangePasswordRequest(
            request_id="chosen",
            number=number,
            code=await self._code(number, "chosen"),
            new_password=PASSWORD,
            requester=requester(),
        )
        await self._service.ChangePassword(asked, timeout=CALL_SECONDS)

    async def verify_code(self) -> list[str]:
        """The materials that the home region attests for a code."""
        number = self._with_code
        code = await self._code(number, "coded")
        return await self._verified(VerifyRequest(request_id="coded", number=number, code=code))

    async def verify_password(self) -> list[str]:
        """The materials that the home region attests for a password."""
        said = VerifyRequest(request_id="remembered", number=self._with_password, password=PASSWORD)
        return await self._verified(said)

    async def _code(self, number: str, request_id: str) -> str:
        asked = SendCodeRequest(request_id=request_id, number=number, requester=requester())
        await self._service.SendCode(asked, timeout=CALL_SECONDS)
        (text,) = self._phones.texts(number)
        found = re.search(r"\d{6}", text.en)
        assert found is not None
        return found[0]

    async def _verified(self, said: VerifyRequest) -> list[str]:
        said.requester.CopyFrom(requester())
        found = await self._service.Verify(said, timeout=CALL_SECONDS)
        return [each.code for each in found.documents]


def test_a_flood_of_codes_and_guesses_is_stopped_while_another_operator_verifies_its_customers(
    node: Target, federation: LocalFederation
) -> None:
    async def scenario() -> tuple[Served, Flood]:
        async with node.dial_honest() as own, node.dial() as channel:
            honest, flood = Honest(own, federation), Flood(channel)
            await honest.choose_password()
            async with node.honest(RESTS) as served:

                async def verify() -> None:
                    while not flood.is_stopped:  # noqa: ASYNC110 - it waits for another process
                        await asyncio.sleep(LOOK)
                    assert await honest.verify_code() == ["OTP"]
                    assert await honest.verify_password() == ["PWD"]

                kinds = (flood.ask, flood.guess_code, flood.guess_password)
                await served.hold(*(kind for kind in kinds for _ in range(AT_A_TIME)), act=verify)
        return served, flood

    began = time.time() // 60
    served, flood = asyncio.run(scenario())
    minutes = int(time.time() // 60 - began) + 1
    print(f"codes: {served}, {dict(flood.ends)}")
    require_served(served, GROWTH)
    heard = sum(count for (_, end), count in flood.ends.items() if not end.startswith("RESOURCE_EXHAUSTED"))
    assert 0 < heard <= MOST * minutes
    texts = sum(len(federation.phones(HOME).texts(number)) for number in flood.assigned)
    assert texts == sum(number in flood.assigned for number in flood.sent)
