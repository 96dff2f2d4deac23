"""The ports of a region's relay: the receiver of batches, and the settler of receipts."""

from dataclasses import dataclass

from gateway.process.tracing import Tracing
from gateway.relay.border import Border, Kinds
from gateway.relay.workers import Workers
from gateway.store.port import Store
from gateway.time.clock import Clock


@dataclass(frozen=True)
class RelayPorts:
    """The border, the handlers of each kind, and the outside ports."""

    border: Border
    kinds: Kinds
    store: Store
    clock: Clock
    tracing: Tracing
    workers: Workers
