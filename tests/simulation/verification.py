"""Customers prove who they are by code and password, through the operations that real nodes use."""

import asyncio
import random
import re
from collections.abc import Sequence

from gateway.api.region.v1.verification_service_pb2 import SendCodeRequest, VerifyRequest
from gateway.api.types.v1.types_pb2 import Channel, Document, Requester
from gateway.errors import Refused, Unreachable, reason_name
from gateway.relay.border import Moved
from region_node.customers.notices.port import Message
from region_node.requests.checks import Questioner
from tests.simulation.people import Line
from tests.simulation.plans import Errand
from tests.simulation.region import NoAnswer, Node
from tests.simulation.world import PASSWORD

_LOST = 0.1  # of all texts are not taken over
_TRIES = 2
_PATIENCE = 61.0  # seconds until another code may be sent


class Phones:
    """The telephones of everybody: what a region's messaging system has brought to each number last."""

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self._texts: dict[str, Message] = {}

    async def notify(self, message: Message, timeout: float) -> None:
        """See `Notifier`."""
        await asyncio.sleep(self._source.uniform(0.0, 0.05))
        if self._source.random() < _LOST:
            raise Unreachable("the messaging system is away")
        self._texts[message.number] = message

    def code(self, number: str) -> str:
        """The code that came last to a number; a wrong one where none has come."""
        message = self._texts.get(number)
        found = re.search(r"\d{6}", message.text.en) if message is not None else None
        return found.group() if found is not None else "000000"


class Customer:
    """A customer at the counter for an errand, and the way to the home region."""

    def __init__(self, errand: Errand, home: Line, phones: Phones) -> None:
        self._errand = errand
        self._home = home
        self._phones = phones
        self._questioner = Questioner(errand.region, errand.operator)
        self._requester = Requester(staff_id=f"clerk-{errand.operator}", channel=Channel.CHANNEL_COUNTER)

    async def prove(self) -> Sequence[Document]:
        """The documents for a code, a password or both; none where the customer does not succeed in a while."""
        codes = self._errand.want.verified
        for tried in range(_TRIES if codes and self._errand.verifies else 0):
            if tried and "OTP" in codes:
                await asyncio.sleep(_PATIENCE)
            try:
                return await self._try(codes)
            except NoAnswer:
                self._home.history.count("verifications without an answer")
            except Moved:
                return ()
            except Refused as refused:
                self._home.history.note(self._errand.operator, f"not verified: {reason_name(refused.reason)}")
        return ()

    async def _try(self, codes: Sequence[str]) -> Sequence[Document]:
        errand = self._errand
        request = VerifyRequest(request_id=errand.request_id, number=errand.number, requester=self._requester)
        if "PWD" in codes:
            request.password = PASSWORD
        if "OTP" in codes:
            await self._home.ask(self._send)
            request.code = self._phones.code(errand.number)
        answer = await self._home.ask(lambda node: node.core.verification.verify(self._questioner, request))
        self._home.history.count("customers verified")
        return answer.documents

    async def _send(self, node: Node) -> None:
        errand = self._errand
        request = SendCodeRequest(request_id=errand.request_id, number=errand.number, requester=self._requester)
        await node.core.verification.send_code(self._questioner, request)
