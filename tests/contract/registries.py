"""The adapters of the registry port, each on durable state that outlives the registries opened on it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from coordinator.membership.rules import membership_of
from coordinator.registry.embedded import EmbeddedRegistry
from coordinator.registry.etcd.registry import EtcdRegistry
from coordinator.registry.etcd.settings import EtcdSettings
from coordinator.registry.port import Registry
from coordinator.registry.rules import Heartbeat
from deploy.local.etcd import MINIMUM_LEASE_SECONDS, LocalEtcd
from gateway.api.federation.v1.configuration_pb2 import Configuration, Region
from gateway.api.federation.v1.federation_pb2 import Capabilities, Capability, MemberState, NodeReport, SealingKey
from gateway.api.federation.v1.revision_pb2 import Anchor
from gateway.auditing.audit import AuditRow, Head
from gateway.auditing.audit_heads import KeptHead
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import SystemClock

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LONG = timedelta(minutes=10)
ADMIN = "admin/root"
# Reached only where a test fails.
PATIENCE_S = 60.0


async def audit_rows(registry: Registry) -> list[AuditRow]:
    """The whole audit chain of a registry."""
    rows: list[AuditRow] = []
    while page := await registry.audit_page(len(rows)):
        rows += page
    return rows


class Registries(Protocol):
    """An adapter on its own durable state."""

    short: timedelta
    """The shortest lease that it can give, or so."""
    anchor: Anchor | None
    """What signed configurations are verified by; None where they need no signature."""
    clock: AgreedClock
    """By which the next registries go."""

    def __call__(self, lease: timedelta = LONG) -> AbstractAsyncContextManager[Registry]:
        """A registry on that state, closed at the end; `lease` is how long a heartbeat counts."""
        ...


class EmbeddedRegistries:
    """Registries on one SQLite file, one after the other."""

    short = timedelta(milliseconds=150)

    def __init__(self, directory: Path) -> None:
        self._path = directory / "registry.db"
        self.anchor: Anchor | None = None
        self.clock = AgreedClock(SystemClock())

    @asynccontextmanager
    async def __call__(self, lease: timedelta = LONG) -> AsyncIterator[Registry]:
        """See Registries."""
        store = SqliteStore(self._path, migrations_of("gateway", "coordinator"))
        registry = await EmbeddedRegistry.open(store, self.clock, lease, self.anchor)
        try:
            yield registry
        finally:
            await registry.close()
            await store.close()


class EtcdRegistries:
    """Registries on the keys of one federation in etcd, at the same time too, each with a directory of its own."""

    short = timedelta(seconds=MINIMUM_LEASE_SECONDS)

    def __init__(self, settings: EtcdSettings, directory: Path, federation: str) -> None:
        self.settings = settings
        self.federation = federation
        self.anchor: Anchor | None = None
        self.clock = AgreedClock(SystemClock())
        self._directory = directory

    @classmethod
    def of(cls, cluster: LocalEtcd, directory: Path) -> "EtcdRegistries":
        """Registries of a federation that is not there yet."""
        return cls(EtcdSettings(cluster.endpoints, cluster.credentials()), directory, f"{uuid4().hex}.example")

    @asynccontextmanager
    async def __call__(self, lease: timedelta = LONG, name: str = "a") -> AsyncIterator[EtcdRegistry]:
        """See Registries. `name` distinguishes simultaneous ones."""
        directory = self._directory / name
        directory.mkdir(exist_ok=True)
        registry = await EtcdRegistry.open(
            self.settings, self.federation, directory, self.clock, lease, anchor=self.anchor
        )
        try:
            yield registry
        finally:
            await registry.close()


def run(scenario: Awaitable[None], seconds: float = PATIENCE_S) -> None:
    """Runs a scenario, but not for ever."""

    async def bounded() -> None:
        async with asyncio.timeout(seconds):
            await scenario

    asyncio.run(bounded())


def heartbeat(
    endpoint: str = "127.0.0.1:1",
    certificate: bytes = b"certificate",
    revision: int = 1,
    later: timedelta = timedelta(),
    key: bytes = b"",
    reads: Sequence[int] = (),
) -> Heartbeat:
    """`reads`: the values of the one enum in the process's capabilities."""
    return Heartbeat(
        endpoint,
        NOW + later,
        revision,
        timedelta(milliseconds=3),
        certificate,
        SealingKey(key=key),
        Capabilities(capabilities=[Capability(name="Enum", numbers=reads)] if reads else []),
        NodeReport(unreadable="revision 2"),
    )


def configuration(*regions: str) -> Configuration:
    return Configuration(federation="demo.example", regions=[Region(id=region) for region in regions])


def kept(sequence: int, filler: bytes = b"a", later: timedelta = timedelta()) -> KeptHead:
    return KeptHead(Head(sequence, filler * 32), b"s" * 64, NOW + later)


def state(registry: Registry, region: str) -> str:
    return MemberState.Name(membership_of(registry.snapshot().facts(region)).state).removeprefix("MEMBER_STATE_")


def changes(registry: Registry) -> list[int]:
    """Grows by the revision in force with every change from here on."""
    seen: list[int] = []
    registry.on_change(lambda: seen.append(registry.snapshot().revision))
    return seen


async def changed(registry: Registry, holds: Callable[[], bool]) -> None:
    """Waits for changes until it holds."""
    change = asyncio.Event()
    end = registry.on_change(change.set)
    while not holds():
        await change.wait()
        change.clear()
    end()
