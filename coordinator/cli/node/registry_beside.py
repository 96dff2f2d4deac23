"""The registry that several coordinators share, as one command sees it beside them."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from coordinator.registry.etcd.registry import EtcdRegistry
from coordinator.settings import CoordinatorSettings
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import SystemClock


@asynccontextmanager
async def registry_beside(settings: CoordinatorSettings) -> AsyncIterator[EtcdRegistry]:
    """The registry in etcd, which the settings name. Raises RegistryUnreachable or CredentialsUnusable."""
    assert settings.etcd is not None
    # The last good copy in the coordinator's own directory belongs to that coordinator, which may be running.
    with tempfile.TemporaryDirectory() as directory:
        lease = timedelta(seconds=settings.lease)
        anchor, clock = settings.anchor(), AgreedClock(SystemClock())
        registry = await EtcdRegistry.open(
            settings.etcd, settings.federation, Path(directory), clock, lease, anchor=anchor
        )
        try:
            yield registry
        finally:
            await registry.close()
