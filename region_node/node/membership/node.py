"""What the loops of membership share: the node as it presents itself, and the ports they work through."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.channels import Dialer
from gateway.clock import Clock
from gateway.region_keys import RegionKeys
from gateway.relay.border import Border
from gateway.store.port import Store


@dataclass(frozen=True)
class Node:
    """The node towards coordinators.

    `signing_certificate` is PEM, and that of the border's signer; `coordinators` are `host:port`, at least one.
    """

    federation: str
    border: Border
    keys: RegionKeys
    signing_certificate: bytes
    coordinators: tuple[str, ...]


@dataclass(frozen=True)
class MembershipPorts:
    """The world around. `store` is read for the end of the audit chain only."""

    dialer: Dialer
    store: Store
    clock: Clock
    source: random.Random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
