"""The messages inside envelopes and receipts of commands."""

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from gateway.api.relay.v1.relay_pb2 import ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused

M = TypeVar("M", bound=Message)


def parse(message: type[M], payload: bytes) -> M:
    """The message of a payload. Raises Refused with ENVELOPE_INVALID."""
    try:
        return message.FromString(payload)
    except DecodeError:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="unreadable payload") from None


def refusal_of(receipt: ReceiptContent) -> Refused:
    """Why the destination refused."""
    return Refused(receipt.reason, **dict(receipt.reason_parameters))
