"""A configuration as etcd can hold it: its number plan apart, compressed and in parts, where it is large. Pure.

A request to etcd may be 1.5 MiB by default, and half a million prefixes are more. The parts stand under the digest of
what they make together: they are written before the configuration that names them and never change, so that a
configuration comes into force by one small transaction, and revisions with the same plan share its parts.
"""

import hashlib
import zlib
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from gateway.api.federation.v1.configuration_pb2 import Configuration, NumberPlan

# A change writes the configuration twice, and etcd takes at most 1.5 MiB at once.
MAX_CONFIGURATION_BYTES = 700 * 1024
PART_BYTES = 256 * 1024  # so that a slow disk takes one within an attempt


class TooLarge(Exception):
    """The configuration is too large for etcd, its number plan aside; the text says by how much."""


class NotWhole(Exception):
    """The parts of a number plan are not what they were; the text says how."""


@dataclass(frozen=True)
class PlanName:
    """Which number plan a configuration goes by."""

    digest: str
    """SHA-256 over the parts together, in hexadecimal."""
    parts: int
    """How many there are."""


@dataclass(frozen=True)
class Packed:
    """A configuration for etcd."""

    content: bytes
    """The message; without its number plan where that has a name."""
    plan: PlanName | None = None
    parts: tuple[bytes, ...] = ()
    """The number plan; empty where it is part of the content."""


def pack(configuration: Configuration) -> Packed:
    """A configuration as it is written; with its number plan in it where both are small. Raises TooLarge."""
    content = configuration.SerializeToString(deterministic=True)
    if len(content) <= MAX_CONFIGURATION_BYTES:
        return Packed(content)
    rest = Configuration()
    rest.CopyFrom(configuration)
    rest.ClearField("number_plan")
    content = rest.SerializeToString(deterministic=True)
    if len(content) > MAX_CONFIGURATION_BYTES:
        raise TooLarge(f"{len(content)} bytes without its number plan, more than {MAX_CONFIGURATION_BYTES}")
    plan = zlib.compress(configuration.number_plan.SerializeToString(deterministic=True))
    parts = tuple(plan[first : first + PART_BYTES] for first in range(0, len(plan), PART_BYTES))
    return Packed(content, PlanName(hashlib.sha256(plan).hexdigest(), len(parts)), parts)


def unpack_plan(name: PlanName, parts: bytes) -> NumberPlan:
    """The number plan that parts make together, joined in their order. Raises NotWhole."""
    if hashlib.sha256(parts).hexdigest() != name.digest:
        raise NotWhole(f"{len(parts)} bytes that are not those of the number plan {name.digest}")
    try:
        return NumberPlan.FromString(zlib.decompress(parts))
    except (zlib.error, DecodeError) as error:
        raise NotWhole(f"the number plan {name.digest} cannot be read") from error
