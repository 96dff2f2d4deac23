"""The example's NotificationService: texts go to a file per number, which stands for the customer's telephone.

Secret texts too, codes among them, so that people can read them in a demo. A real system stores none.
"""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import grpc

from gateway.api.provider.v1.notification_service_pb2 import NotifyRequest, NotifyResponse
from gateway.api.provider.v1.notification_service_pb2_grpc import NotificationServiceServicer
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused

PHONES = "phones"
_NUMBER = re.compile(r"\+\d{1,15}", re.ASCII)


@dataclass(frozen=True)
class Text:
    """A text on a telephone."""

    id: str
    kind: str
    zh_cn: str
    en: str


class Phones:
    """The telephones of a region's customers: JSON Lines, one file per number, for their owner alone."""

    def __init__(self, directory: Path) -> None:
        """Makes a missing directory."""
        self._directory = directory / PHONES
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def texts(self, number: str) -> list[Text]:
        """The texts to a number in E.164, oldest first."""
        file = self._file(number)
        if not file.exists():
            return []
        return [Text(**json.loads(line)) for line in file.read_text("utf-8").splitlines()]

    def add(self, number: str, text: Text) -> None:
        """Adds a text, unless it exists. Raises Refused with REQUEST_ID_REUSED for another text with its id."""
        known = [each for each in self.texts(number) if each.id == text.id]
        if known and known[0] != text:
            raise Refused(Reason.REASON_REQUEST_ID_REUSED)
        if known:
            return
        line = json.dumps(vars(text), ensure_ascii=False) + "\n"
        descriptor = os.open(self._file(number), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with open(descriptor, "a", encoding="utf-8") as file:
            file.write(line)

    def _file(self, number: str) -> Path:
        return self._directory / f"{number.removeprefix('+')}.jsonl"


class NotificationService(NotificationServiceServicer):
    """Puts texts on telephones."""

    def __init__(self, phones: Phones) -> None:
        self._phones = phones

    async def Notify(  # noqa: N802 - named by the contract
        self, request: NotifyRequest, context: grpc.aio.ServicerContext[NotifyRequest, NotifyResponse]
    ) -> NotifyResponse:
        """See the contract."""
        if not _NUMBER.fullmatch(request.number):
            raise Refused(Reason.REASON_NUMBER_INVALID, number="")
        self._phones.add(request.number, Text(request.request_id, request.kind, request.text.zh_cn, request.text.en))
        return NotifyResponse()
