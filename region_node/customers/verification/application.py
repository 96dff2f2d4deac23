"""The home region's handling of codes and passwords: transactions, hashing beside the event loop, and texts."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Never, TypeVar

from gateway.api.region.v1 import verification_service_pb2 as api
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused, Unreachable
from gateway.process.finishing import Finishing
from gateway.process.turns import owner
from gateway.relay.workers import Workers
from gateway.rpc.admission import elsewhere
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock, to_microseconds, to_timestamp
from gateway.wording.masking import masked_number
from region_node.customers.notices.port import Message, Notifier
from region_node.customers.verification import operations
from region_node.customers.verification.forms import Asked, require_form
from region_node.customers.verification.operations import Attempt, Counted, Fresh, Hashing, Said
from region_node.customers.verification.rules import (
    CODES,
    KEY_BYTES,
    PASSWORD_COST,
    SALT_BYTES,
    HashedPassword,
    hash_password,
    written_code,
)
from region_node.node.context import RegionContext
from region_node.requests.checks import Questioner

SEND_SECONDS = 4.0  # for a code to be taken by the messaging system: the customer waits at the counter
T = TypeVar("T")


@dataclass(frozen=True)
class VerificationPorts:
    """The ports of the home region. `source` is `secrets.SystemRandom` wherever data is real."""

    context: RegionContext
    store: Store
    clock: Clock
    workers: Workers
    source: random.Random
    notifier: Notifier | None
    password_cost: int = PASSWORD_COST


@dataclass(frozen=True)
class _Sending:
    """How a code was sent: how long the messaging system took, and whether it took the code."""

    seconds: float = 0.0
    is_taken: bool = True


class VerificationApplication:
    """Verifies the region's own customers, for any caller. Numbers are in E.164.

    Each call raises Refused, or Moved where the number belongs to another region.
    """

    def __init__(self, ports: VerificationPorts) -> None:
        self._ports = ports
        self._guesses = Finishing()
        self._last = _Sending()
        self._hashing = Counter[str]()  # the passwords of each asker that are being hashed

    async def send_code(self, questioner: Questioner, request: api.SendCodeRequest) -> api.SendCodeResponse:
        """Sends a code; a repeated request within the minute returns that the code is on its way."""
        attempt = self._attempt("SendCode", questioner, request)
        notifier = self._ports.notifier
        if notifier is None:
            raise Refused(Reason.REASON_NOTIFICATION_UNAVAILABLE)
        fresh = Fresh(written_code(self._ports.source.randrange(CODES)), self._ports.source.randbytes(KEY_BYTES))
        begun = await self._write(lambda tx: operations.begin_code(tx, self._ports.context, attempt, fresh))
        if begun.recipient:
            await self._send(notifier, attempt, begun.recipient, fresh.code)
        elif begun.is_of_nobody:
            await self._pretend(attempt)
        return api.SendCodeResponse(
            expire_time=to_timestamp(begun.expire_time),
            masked_number=attempt.contact or masked_number(attempt.number),
        )

    async def verify(self, questioner: Questioner, request: api.VerifyRequest) -> api.VerifyResponse:
        """Checks the customer's code or password."""
        attempt = self._attempt("Verify", questioner, request)
        return await self._answer(attempt, request, partial(self._verified, attempt))

    async def change_password(
        self, questioner: Questioner, request: api.ChangePasswordRequest
    ) -> api.ChangePasswordResponse:
        """Puts another password in force."""
        attempt = self._attempt("ChangePassword", questioner, request)
        return await self._answer(attempt, request, partial(self._changed, attempt, request.new_password))

    async def _verified(self, attempt: Attempt, said: Said) -> api.VerifyResponse:
        fresh_key = self._ports.source.randbytes(KEY_BYTES)
        documents = await self._write(lambda tx: operations.verify(tx, self._ports.context, attempt, said, fresh_key))
        return api.VerifyResponse(documents=documents)

    async def _changed(self, attempt: Attempt, password: str, said: Said) -> api.ChangePasswordResponse:
        chosen = await self._chosen(attempt, said, password)
        await self._write(lambda tx: operations.change_password(tx, self._ports.context, attempt, said, chosen))
        return api.ChangePasswordResponse()

    def _attempt(self, action: str, questioner: Questioner, request: Asked) -> Attempt:
        require_form(request)
        staff_id, now = request.requester.staff_id, self._ports.clock.now()
        contact = request.contact if isinstance(request, api.SendCodeRequest) else ""
        return Attempt(action, questioner, request.request_id, request.number, staff_id, now, contact)

    async def _answer(
        self,
        attempt: Attempt,
        request: api.VerifyRequest | api.ChangePasswordRequest,
        then: Callable[[Said], Coroutine[object, object, T]],
    ) -> T:
        """The answer to a code or password, by `then`.

        A guess of a password that a rate counts goes on though its caller goes away: its hash costs as much, and the
        rate bounds how many go on. All else ends with its caller.
        """
        if not request.password:
            return await then(Said(request.code))
        context, code = self._ports.context, request.code
        decoy = HashedPassword(self._ports.source.randbytes(SALT_BYTES), self._ports.password_cost, b"")
        found = await self._ports.store.read(lambda tx: operations.password_in_force(tx, context, attempt, code, decoy))
        if found is None:
            return await then(Said(code, has_password=True))
        if not found.counts:
            return await self._guess(attempt, request, found, then)
        return await self._guesses.run(self._guess(attempt, request, found, then))

    async def _guess(
        self,
        attempt: Attempt,
        request: api.VerifyRequest | api.ChangePasswordRequest,
        found: Hashing,
        then: Callable[[Said], Coroutine[object, object, T]],
    ) -> T:
        with self._under_way(found.counts):
            hashed = await self._hashed(attempt, request.password, found.held.salt, found.held.cost)
        return await then(Said(request.code, has_password=True, password=hashed))

    @contextmanager
    def _under_way(self, counts: Sequence[Counted]) -> Iterator[None]:
        """Counts a password while it is being hashed.

        Raises Refused with CODES_ASKED_TOO_OFTEN where those under way would exceed a rate once they count. The refused
        one counts for nobody: one operator system takes no more of its region's rate than its own.
        """
        for each in counts:
            if each.count + self._hashing[each.asker] >= each.most:
                raise Refused(Reason.REASON_CODES_ASKED_TOO_OFTEN, most=str(each.most))
        askers = Counter(each.asker for each in counts)
        self._hashing += askers
        try:
            yield
        finally:
            self._hashing -= askers

    async def _chosen(self, attempt: Attempt, said: Said, password: str) -> HashedPassword | None:
        """The hash of another password; None where the claim is not right, so that it need not be hashed."""
        context, cost = self._ports.context, self._ports.password_cost
        if not await self._ports.store.read(lambda tx: operations.is_right(tx, context, attempt, said)):
            return None
        return await self._hashed(attempt, password, self._ports.source.randbytes(SALT_BYTES), cost)

    async def _hashed(self, attempt: Attempt, password: str, salt: bytes, cost: int) -> HashedPassword:
        """Hashes in the turn of the caller; of other regions, whose calls a coordinator brings, each has one turn."""
        turn = owner.set(owner.get() or f"region/{attempt.questioner.region}")
        try:
            return await self._ports.workers.alone(lambda: hash_password(password, salt, cost))
        finally:
            owner.reset(turn)

    async def _send(self, notifier: Notifier, attempt: Attempt, recipient: str, code: str) -> None:
        message_id = f"{attempt.subject}#code@{to_microseconds(attempt.now)}"
        text = _contact_text(masked_number(attempt.number), code) if attempt.contact else _line_text(code)
        message = Message(message_id, "one-time-code", recipient, text, secret=True)
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            await notifier.notify(message, SEND_SECONDS)
        except Unreachable:
            self._last = _Sending(loop.time() - started, is_taken=False)
            await self._not_sent(attempt)
        self._last = _Sending(loop.time() - started)

    async def _pretend(self, attempt: Attempt) -> None:
        """Takes as long as the last sending, and ends as it did: a caller learns nothing of who has a number."""
        last = self._last
        with elsewhere():
            await asyncio.sleep(last.seconds)
        if not last.is_taken:
            await self._not_sent(attempt)

    async def _not_sent(self, attempt: Attempt) -> Never:
        await self._ports.store.write(lambda tx: operations.code_not_sent(tx, self._ports.context, attempt))
        raise Refused(Reason.REASON_NOTIFICATION_UNAVAILABLE) from None

    async def _write(self, operation: Callable[[Transaction], T | Refused]) -> T:
        """The result of an operation, once it is durable; raises a returned refusal then."""
        outcome = await self._ports.store.write(operation)
        if isinstance(outcome, Refused):
            raise outcome
        return outcome


def _line_text(code: str) -> LocalizedText:
    return LocalizedText(
        zh_cn=f"您的验证码是{code}，仅用于本次办理，请只告诉为您办理的营业员。如非本人操作，请勿告知任何人。",
        en=f"Your code is {code}. It is for this request; tell nobody but the clerk who serves you.",
    )


def _contact_text(number: str, code: str) -> LocalizedText:
    """The text for another contact, who may be another person: it names the line by its mask."""
    return LocalizedText(
        zh_cn=f"您是号码{number}的预留联系号码。该号码机主正在办理业务，验证码是{code}。"
        "请只在与机主本人核实后告诉机主；无法核实的，请勿告知任何人。",
        en=f"The customer of {number} named you as a contact. The code is {code}. Tell it to nobody but the customer,"
        " and only once you know that it is the customer.",
    )
