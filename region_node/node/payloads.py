"""The messages inside envelopes and receipts of commands."""

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from gateway.api.relay.v1.relay_pb2 import ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import NO_ROOM, Refused
from gateway.rpc.element_counts import parsed
from gateway.rpc.message_checks import require_plain
from gateway.values.choices import require_known

M = TypeVar("M", bound=Message)


def parse(message: type[M], payload: bytes) -> M:
    """The message of a payload. Raises Refused with ENVELOPE_INVALID, or UnknownChoice for one of a later version."""
    try:
        told = parsed(message, payload)
    except DecodeError:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="unreadable payload") from None
    require_known(told)
    return told


def received(message: type[M], payload: bytes) -> M:
    """Parses a query or report of another region. Raises as `parse`, and Refused with CHARACTER_NOT_ALLOWED."""
    told = parse(message, payload)
    require_plain(told)
    return told


def refusal_of(receipt: ReceiptContent) -> Refused:
    """Why the destination refused: as REGION_UNREACHABLE where it names want of room."""
    if receipt.reason in NO_ROOM:
        return Refused(Reason.REASON_REGION_UNREACHABLE, region=receipt.destination)
    return Refused(receipt.reason, **dict(receipt.reason_parameters))
