"""A configuration in etcd: a large number plan is stored apart, compressed and in parts. Pure.

A request to etcd may be 1.5 MiB by default; half a million prefixes are more. The keys of the parts hold the digest of
the whole plan. The parts are written before the configuration that names them and never change. A configuration thus
comes into force by one small transaction, and revisions with the same plan share its parts.

The bytes of a configuration come back as they were, because administrators sign them: the plan is cut out of them, and
put back at its place.
"""

import hashlib
import zlib
from dataclasses import dataclass, field

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.errors import Refused, invalid

# A change writes the configuration twice, and etcd accepts at most 1.5 MiB per request.
MAX_CONFIGURATION_BYTES = 700 * 1024
PART_BYTES = 256 * 1024  # so that a slow disk takes one within an attempt
# The encoding of protobuf: a tag is the number of a field, times eight, and a type; a length follows type 2.
_LENGTH_DELIMITED = 2
_FIXED = {1: 8, 5: 4}
_PLAN_TAG = bytes([Configuration.NUMBER_PLAN_FIELD_NUMBER << 3 | _LENGTH_DELIMITED])


class NotWhole(Exception):
    """The parts of a number plan have changed; the text says how."""


@dataclass(frozen=True)
class PlanName:
    """The name of a configuration's number plan."""

    digest: str
    """SHA-256 over the parts together, in hexadecimal."""
    parts: int
    """The number of parts."""
    place: int | None = field(default=None, compare=False)
    """Where the plan stood, in bytes from the start; None for a plan that an older version wrote."""


@dataclass(frozen=True)
class Packed:
    """A configuration for etcd."""

    content: bytes
    """The message; without its number plan where that has a name."""
    plan: PlanName | None = None
    parts: tuple[bytes, ...] = ()
    """The parts of the number plan; empty where the content includes it."""


def pack(content: bytes) -> Packed:
    """The written form of a configuration, with its number plan in it if both are small.

    Raises Refused with REQUEST_INVALID.
    """
    if len(content) <= MAX_CONFIGURATION_BYTES:
        return Packed(content)
    first, plan_first, end = _plan_of(content)
    rest = content[:first] + content[end:]
    if len(rest) > MAX_CONFIGURATION_BYTES:
        raise _too_large(
            f"{len(rest)} bytes without its number plan, more than {MAX_CONFIGURATION_BYTES}",
            f"除号码归属表外共{len(rest)}字节，超过{MAX_CONFIGURATION_BYTES}字节",
        )
    plan = zlib.compress(content[plan_first:end])
    parts = tuple(plan[first : first + PART_BYTES] for first in range(0, len(plan), PART_BYTES))
    return Packed(rest, PlanName(hashlib.sha256(plan).hexdigest(), len(parts), first), parts)


def unpack(name: PlanName, rest: bytes, parts: bytes) -> bytes:
    """The bytes of a configuration whose number plan stood apart, joined from its parts in their order.

    Raises NotWhole.
    """
    if hashlib.sha256(parts).hexdigest() != name.digest:
        raise NotWhole(f"{len(parts)} bytes that are not those of the number plan {name.digest}")
    try:
        plan = zlib.decompress(parts)
    except zlib.error as error:
        raise NotWhole(f"the number plan {name.digest} cannot be read") from error
    if name.place is None:
        configuration = Configuration.FromString(rest)
        configuration.number_plan.MergeFromString(plan)
        return configuration.SerializeToString(deterministic=True)
    return rest[: name.place] + _PLAN_TAG + _varint(len(plan)) + plan + rest[name.place :]


def _plan_of(content: bytes) -> tuple[int, int, int]:
    """The places of the number plan in a configuration: of its tag, of its first byte, and of its end.

    Without one, it is at the end and empty. Raises Refused with REQUEST_INVALID for several, and where a serialisation
    would write it otherwise.
    """
    found, position = [], 0
    while position < len(content):
        start = position
        tag, position = _read_varint(content, position)
        kind = tag & 7
        if kind == _LENGTH_DELIMITED:
            length, position = _read_varint(content, position)
            if tag == _PLAN_TAG[0]:
                found.append((start, position, position + length))
            position += length
        elif kind in _FIXED:
            position += _FIXED[kind]
        elif kind == 0:
            _, position = _read_varint(content, position)
        else:
            break
    if not found:
        return len(content), len(content), len(content)
    if len(found) != 1 or position != len(content):
        raise _too_large(
            f"{len(content)} bytes, in which its number plan cannot be told from the rest",
            f"共{len(content)}字节，其中的号码归属表无法与其余部分区分",
        )
    start, first, end = found[0]
    if content[start:first] != _PLAN_TAG + _varint(end - first):
        raise _too_large(
            f"{len(content)} bytes, whose number plan is written in an unusual form",
            f"共{len(content)}字节，其号码归属表的写法不同于规定形式",
        )
    return start, first, end


def _read_varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(content) and shift < 70:
        value |= (content[position] & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if content[position - 1] < 0x80:
            return value, position
    return 0, len(content) + 1


def _varint(value: int) -> bytes:
    """A length in the encoding of protobuf."""
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def _too_large(problem: str, problem_zh_cn: str) -> Refused:
    """REQUEST_INVALID: etcd cannot store the configuration; the problem has its size."""
    return invalid("configuration", problem, problem_zh_cn)
