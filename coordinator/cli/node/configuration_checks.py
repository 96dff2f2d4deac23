"""Whether this coordinator, and each member of the federation, can read the configuration in force."""

import asyncio

import psycopg

from coordinator.cli.node.registry_beside import registry_beside
from coordinator.configuration.readable import unreadable_by
from coordinator.registry import operations
from coordinator.registry.etcd.registry import RegistryUnreachable
from coordinator.registry.port import Snapshot
from coordinator.settings import CoordinatorSettings
from gateway.api.federation.v1.revision_pb2 import Anchor
from gateway.maintenance.doctor.findings import Finding, good, not_checked, warning
from gateway.security.tls import CredentialsUnusable
from gateway.store.opening import DatabasePlace
from gateway.store.port import StoreUnusable
from gateway.values.choices import first_unknown
from gateway.wording.languages import translated


async def check_configuration(settings: CoordinatorSettings, *, etcd_answers: bool) -> Finding:
    """Looks at the registry beside the coordinators that work on it. A coordinator without etcd has its own."""
    unread = not_checked(_name(), translated("the registry cannot be read, or there is none yet"))
    if settings.etcd is not None and not etcd_answers:
        return unread
    try:
        if settings.etcd is None:
            return _finding(await asyncio.to_thread(_embedded, settings.database, settings.anchor()))
        async with registry_beside(settings) as registry:
            return _finding(registry.snapshot())
    except (StoreUnusable, psycopg.Error, RegistryUnreachable, CredentialsUnusable):
        return unread  # other checks say what is wrong


def _name() -> str:
    return translated("configuration in force")


def _embedded(place: DatabasePlace, anchor: Anchor | None) -> Snapshot:
    with place.look() as tx:
        return operations.snapshot(tx, anchor)


def _finding(snapshot: Snapshot) -> Finding:
    revision, configuration = snapshot.revision, snapshot.configuration
    if configuration is None:
        todo = translated("apply a configuration: `coordinator federation apply`")
        return warning(_name(), translated("the federation has no configuration yet"), todo)
    if (unknown := first_unknown(configuration)) is not None:
        found = translated(
            "revision {revision} has {field}, which this version cannot read", revision=revision, field=unknown
        )
        return warning(_name(), found, translated("upgrade this coordinator: it applies nothing that it cannot read"))
    lagging = unreadable_by(snapshot, configuration)
    if not lagging:
        return good(_name(), translated("revision {revision}: every member can read it", revision=revision))
    problems = "; ".join(
        translated("{region} cannot read {field}", region=region, field=field) for region, field in lagging.items()
    )
    todo = translated(
        "upgrade {regions}: until then each works by the last revision that it could read", regions=", ".join(lagging)
    )
    return warning(_name(), translated("revision {revision}: {problems}", revision=revision, problems=problems), todo)
