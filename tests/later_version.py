"""Messages as a later version of the contract would send them: with a choice that this version does not have."""

from typing import TypeVar

from google.protobuf.message import Message

from gateway.values.choices import known_of

M = TypeVar("M", bound=Message)

LATER_VALUE = 9999
LATER_ARM = 2000
_LENGTH_DELIMITED = 2


def with_later_choice(message: M) -> M | None:
    """A copy with one such choice, at the first place there is for one; None for a message that makes none."""
    if not known_of(message.DESCRIPTOR):
        return None
    copy = type(message)()
    copy.CopyFrom(message)
    return copy if _choose(copy) else None


def choose_later_arm(message: Message, oneof: str) -> None:
    """Puts an arm that this version does not have in the place of the one of a oneof: an empty message."""
    message.ClearField(oneof)
    message.MergeFromString(_varint(LATER_ARM << 3 | _LENGTH_DELIMITED) + b"\x00")


def _choose(message: Message) -> bool:
    oneofs = [each.name for each in message.DESCRIPTOR.oneofs if not each.name.startswith("_")]
    if oneofs:
        choose_later_arm(message, oneofs[0])
        return True
    fields = message.DESCRIPTOR.fields
    enum = next((each for each in fields if each.enum_type is not None and each.enum_type.name != "Reason"), None)
    if enum is not None and enum.is_repeated:
        getattr(message, enum.name).append(LATER_VALUE)
        return True
    if enum is not None:
        setattr(message, enum.name, LATER_VALUE)
        return True
    inner = next((each for each in fields if each.message_type is not None and known_of(each.message_type)), None)
    if inner is None:
        return False
    held = getattr(message, inner.name)
    return _choose(held.add() if inner.is_repeated else held)


def _varint(number: int) -> bytes:
    low = number & 0x7F
    return bytes([low | 0x80]) + _varint(number >> 7) if number > 0x7F else bytes([low])
