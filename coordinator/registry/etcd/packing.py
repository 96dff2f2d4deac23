"""A configuration in etcd: a large number plan is stored apart, compressed and in parts. Pure.

A request to etcd may be 1.5 MiB by default; half a million prefixes are more. The keys of the parts hold the digest of
the whole plan. The parts are written before the configuration that names them and never change. A configuration thus
comes into force by one small transaction, and revisions with the same plan share its parts.
"""

import hashlib
import zlib
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from gateway.api.federation.v1.configuration_pb2 import Configuration, NumberPlan

# A change writes the configuration twice, and etcd accepts at most 1.5 MiB per request.
MAX_CONFIGURATION_BYTES = 700 * 1024
PART_BYTES = 256 * 1024  # so that a slow disk takes one within an attempt


class TooLarge(Exception):
    """The configuration without its number plan is too large for etcd; the text has the size."""


class NotWhole(Exception):
    """The parts of a number plan have changed; the text says how."""


@dataclass(frozen=True)
class PlanName:
    """The name of a configuration's number plan."""

    digest: str
    """SHA-256 over the parts together, in hexadecimal."""
    parts: int
    """The number of parts."""


@dataclass(frozen=True)
class Packed:
    """A configuration for etcd."""

    content: bytes
    """The message; without its number plan where that has a name."""
    plan: PlanName | None = None
    parts: tuple[bytes, ...] = ()
    """The parts of the number plan; empty where the content includes it."""


def pack(configuration: Configuration) -> Packed:
    """The written form of a configuration, with its number plan in it if both are small. Raises TooLarge."""
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
