"""The ports of a region's relay: the receiver of batches, and the settler of receipts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gateway.process.tracing import Tracing
from gateway.relay.border import Border, Kinds
from gateway.relay.workers import Workers
from gateway.store import quarantine
from gateway.store.port import Store, Transaction
from gateway.store.quarantine import QuarantinedWork
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
    quarantine: Callable[[Transaction, QuarantinedWork, datetime], None] = quarantine.keep
    """Leaves work to people."""
