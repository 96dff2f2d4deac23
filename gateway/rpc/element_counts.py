"""The elements of a message, counted in its bytes: a parsed message takes up to a hundred times its bytes.

An empty element takes two bytes on the wire, and becomes an object. So the elements are counted before protobuf builds
any: repeated messages and entries of maps, also within other messages.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TypeVar, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError, Message

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.access import LARGEST_REQUEST

M = TypeVar("M", bound=Message)
_BYTES_PER_ELEMENT = 32
_LEAST_ELEMENT = 2  # bytes
_DEEPEST = 100  # messages and groups within each other, as parsers of protobuf allow
_SHORT = 64  # bytes of a text that is skipped with its neighbours
# Wire types of protobuf. The contract has no groups; a later version of a message might, which parsers skip.
_VARINT, _EIGHT_BYTES, _LENGTH, _GROUP, _GROUP_END, _FOUR_BYTES = range(6)
_CONTINUES = 0x80
_LONGEST_NUMBER = 10  # bytes
_SINGLE, _FIRST = range(_LENGTH, _CONTINUES, 8), range(_CONTINUES | _LENGTH, 2 * _CONTINUES, 8)  # bytes of tags


def most_elements(largest: int) -> int:
    """The most elements of a message that may have `largest` bytes: 8,192 in 256 KiB, 131,072 in 4 MiB."""
    return largest // _BYTES_PER_ELEMENT


def require_few(data: bytes, kind: Descriptor, most: int) -> None:
    """Raises Refused with TOO_MANY_ELEMENTS for a message of a kind with more elements than `most`, in all."""
    if not _has_few(data, kind, most):
        raise Refused(Reason.REASON_TOO_MANY_ELEMENTS, limit=str(most))


def parsed(kind: type[M], data: bytes) -> M:
    """The message in bytes that a request or a response holds.

    Raises DecodeError for bytes that are no such message, or have more elements than a request of their size may have.
    """
    if not _has_few(data, cast("Descriptor", kind.DESCRIPTOR), _most_within(data)):
        raise DecodeError("too many elements")
    return kind.FromString(data)


def count_elements(data: bytes, kind: Descriptor, most: int) -> int:
    """The number of elements; counting ends beyond `most`.

    Never less than the parser builds, also of bytes that it refuses in the end. More for fields that replace others,
    and `most + 1` for bytes whose scan would take longer than those of an honest message, which no client writes.
    """
    count, at, end, scan = 0, 0, len(data), _scan(kind)
    left = _most_within(data)  # looks at fields that are no elements, each half a microsecond: honest ones are rarer
    above: list[tuple[int, _Scan]] = []
    try:
        while count <= most:
            if at < end and data[at] not in scan.counted:
                at = scan.skipped(data, at, end)
            if at >= end:
                if not above:
                    return count
                end, scan = above.pop()
                continue
            left -= 1
            if left < 0 or len(above) > _DEEPEST:
                return most + 1
            tag, at = (data[at], at + 1) if data[at] < _CONTINUES else _number(data, at)
            if tag & 7 == _LENGTH:
                size, at = (data[at], at + 1) if data[at] < _CONTINUES else _number(data, at)
                if size > end - at:
                    return count  # longer than what holds it: the parser refuses it
                is_element, inner = scan.counted.get(tag, (0, None))
                count += is_element
                left += is_element
                if inner is None or size < _LEAST_ELEMENT:
                    at += size
                else:
                    above.append((end, scan))
                    end, scan = at + size, _scan(inner)
            elif tag & 7 == _GROUP:
                above.append((end, scan))
                scan = _scan(Empty.DESCRIPTOR)
            elif tag & 7 == _GROUP_END:
                end, scan = above.pop()
            else:
                return count  # no field: the parser refuses it
    except IndexError:
        pass  # the bytes end too early, which the parser refuses
    return count


class _Scan:
    """What is looked at in one kind of message.

    `counted` has, by the tag of a field: 1 for an element, else 0; and its kind, where that may hold elements.
    """

    def __init__(self, counted: Mapping[int, tuple[int, Descriptor | None]]) -> None:
        self.counted = counted
        lengths = b"|".join(b"\\x%02x[\\x00-\\xff]{%d}" % (size, size) for size in range(_SHORT))
        apart = b"".join(b"(?!%s)" % re.escape(_written(tag)) for tag in counted)
        short = b"%s(?:%s|%s[\\x01-\\x7f])(?:%s)" % (apart, _any_of(_SINGLE), _any_of(_FIRST), lengths)
        self._others = re.compile(b"(?:%s|%s)*+" % (_NUMBERS, short))

    def skipped(self, data: bytes, at: int, end: int) -> int:
        """The place behind the fields at `at` that are numbers, or short and of no interest: most of any message."""
        found = self._others.match(data, at, end)
        return at if found is None else found.end()


def _written(tag: int) -> bytes:
    """A tag as clients write it: in one byte, or in two for a field of a number up to 2,047."""
    return bytes((tag,)) if tag < _CONTINUES else bytes((_CONTINUES | tag & 0x7F, tag >> 7))


def _any_of(choice: Iterable[int]) -> bytes:
    return b"[%s]" % b"".join(b"\\x%02x" % each for each in choice)


def _tags(wire: int) -> bytes:
    """The tags of a wire type, of one byte or several."""
    single, first = range(wire, _CONTINUES, 8), range(_CONTINUES | wire, 2 * _CONTINUES, 8)
    return b"(?:%s|%s[\\x80-\\xff]{0,8}+[\\x00-\\x7f])" % (_any_of(single), _any_of(first))


_NUMBERS = b"|".join(
    _tags(wire) + content
    for wire, content in (
        (_VARINT, rb"[\x80-\xff]{0,9}+[\x00-\x7f]"),
        (_EIGHT_BYTES, rb"[\x00-\xff]{8}"),
        (_FOUR_BYTES, rb"[\x00-\xff]{4}"),
    )
)


def _most_within(data: bytes) -> int:
    """The most elements of a request of the usual size, or of the size of larger bytes."""
    return most_elements(max(len(data), LARGEST_REQUEST))


def _has_few(data: bytes, kind: Descriptor, most: int) -> bool:
    return len(data) <= _LEAST_ELEMENT * most or count_elements(data, kind, most) <= most


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A varint, and the place behind it. Raises IndexError for one without an end."""
    number = 0
    for shift in range(0, _LONGEST_NUMBER * 7, 7):
        byte = data[at]
        at += 1
        if byte < _CONTINUES:
            return number | byte << shift, at
        number |= (byte - _CONTINUES) << shift
    raise IndexError("a number of too many bytes")


@cache
def _scan(kind: Descriptor) -> _Scan:
    messages = [(each, each.message_type) for each in kind.fields if each.message_type is not None]
    return _Scan(
        {
            each.number << 3 | _LENGTH: (int(each.is_repeated), held if _holds_elements(held, frozenset()) else None)
            for each, held in messages
            if each.is_repeated or _holds_elements(held, frozenset())
        }
    )


def _holds_elements(kind: Descriptor, above: frozenset[str]) -> bool:
    messages = [(each, each.message_type) for each in kind.fields if each.message_type is not None]
    around = above | {kind.full_name}
    return any(
        each.is_repeated or (held.full_name not in around and _holds_elements(held, around)) for each, held in messages
    )
