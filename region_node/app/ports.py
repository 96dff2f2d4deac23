"""The parts that a node's pieces share."""

import random
from dataclasses import dataclass

from gateway.api.federation.v1.revision_pb2 import Anchor
from gateway.maintenance.rotation import KeyFile
from gateway.process.tracing import Tracing
from gateway.relay.border import Border
from gateway.relay.sealed_batches import SealedBatchTransport
from gateway.relay.workers import ThreadWorkers
from gateway.rpc.channels import Dialer
from gateway.store.fenced import FencedStore
from gateway.store.port import Store
from gateway.time.agreed_clock import AgreedClock
from region_node.business.providers.fulfilment import FulfilmentProvider
from region_node.customers.notices.port import Notifier
from region_node.listeners.callbacks import Callbacks
from region_node.node.day_work import DayWork
from region_node.node.erased_keys import ErasedKeys
from region_node.node.identity_provider import IdentityProviders
from region_node.node.operator_scopes import OperatorScopes
from region_node.node.settings import RegionSettings


@dataclass(frozen=True)
class Ports:
    """The shared parts of a node."""

    settings: RegionSettings
    anchor: Anchor | None
    clock: AgreedClock
    unfenced: Store
    """The database, for what looks after it: business has `store`, the fence before it."""
    store: FencedStore
    key_file: KeyFile
    erased_keys: ErasedKeys
    scopes: OperatorScopes
    day_work: DayWork
    providers: IdentityProviders
    dialer: Dialer
    border: Border
    source: random.Random
    tracing: Tracing
    transport: SealedBatchTransport
    workers: ThreadWorkers
    provider: FulfilmentProvider | None
    notifier: Notifier | None
    callbacks: Callbacks
