"""How a text reaches a customer, as a port: the region's own messaging system."""

from dataclasses import dataclass, field
from typing import Protocol

from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.wording.masking import masked_number, prints_masked


@prints_masked(number=masked_number)
@dataclass(frozen=True)
class Message:
    """A text to a customer. The same id is never sent twice. A secret text is neither stored nor logged."""

    message_id: str
    kind: str
    number: str
    text: LocalizedText = field(repr=False)
    secret: bool = False


class Notifier(Protocol):
    """Sends texts to customers."""

    async def notify(self, message: Message, timeout: float) -> None:
        """Returns once the messaging system has accepted the text, within `timeout` seconds.

        Raises Unreachable without a confirmation: the system may have sent it.
        """
        ...
