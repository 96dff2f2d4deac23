"""The shared parts of the membership loops: the node's identity, and their ports."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.api.federation.v1.federation_pb2 import DisputedRevision, ProcessVersion, WaitingAnomalies
from gateway.api.federation.v1.revision_pb2 import Anchor
from gateway.relay.border import Border
from gateway.relay.lanes import Stop
from gateway.rpc.channels import Dialer
from gateway.security.region_keys import RegionKeys
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock


@dataclass(frozen=True)
class Node:
    """The node towards coordinators.

    `signing_certificate` is PEM, and that of the border's signer; `coordinators` are `host:port`, at least one. Without
    an `anchor`, configurations need no signature.
    """

    federation: str
    border: Border
    keys: RegionKeys
    signing_certificate: bytes
    coordinators: tuple[str, ...]
    anchor: Anchor | None = None


@dataclass(frozen=True)
class MembershipPorts:
    """The outside ports. `store` supplies the end of the audit chain, and the envelopes that were not accepted.

    `breakers` has the destinations that do not respond; `in_flight` the numbers of envelopes without an answer, by
    destination; `orders_per_minute` the orders of the last whole minute; `disputes` the regions whose configuration
    differs; `anomalies` what waits for people. `version` is that of the process, with the schema that a transaction
    finds.
    """

    dialer: Dialer
    store: Store
    clock: Clock
    source: random.Random
    breakers: Callable[[], Mapping[str, Stop]]
    in_flight: Callable[[], Mapping[str, int]]
    orders_per_minute: Callable[[], int]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    disputes: Callable[[], Sequence[DisputedRevision]] = tuple
    version: Callable[[Transaction], ProcessVersion] = lambda _: ProcessVersion()
    anomalies: Callable[[], Sequence[WaitingAnomalies]] = tuple
