"""Whether this coordinator and each member can read the configuration in force; its signatures and its limits."""

import asyncio

import psycopg

from coordinator.cli.node.registry_beside import registry_beside
from coordinator.configuration.readable import unreadable_by
from coordinator.registry import operations
from coordinator.registry.etcd.last_good import RegistryUnreachable
from coordinator.registry.port import Snapshot
from coordinator.settings import CoordinatorSettings
from gateway.api.federation.v1.revision_pb2 import Anchor
from gateway.maintenance.doctor.findings import Finding, bad, good, not_checked, warning
from gateway.maintenance.doctor.limits import check_limits
from gateway.maintenance.doctor.signatures import check_signatures
from gateway.security.tls import CredentialsUnusable
from gateway.store.opening import DatabasePlace
from gateway.store.port import StoreUnusable
from gateway.time.clock import Clock
from gateway.values.choices import first_unknown
from gateway.wording.languages import clauses, enumerated, in_language, translated


async def check_configuration(settings: CoordinatorSettings, clock: Clock, *, etcd_answers: bool) -> list[Finding]:
    """Looks at the registry beside the coordinators that work on it. A coordinator without etcd has its own."""
    snapshot = await _snapshot(settings, etcd_answers=etcd_answers)
    if snapshot is None:
        told = translated("the registry cannot be read, or there is none yet")
        signatures = check_signatures(settings.anchor, None, clock.now())
        return [not_checked(_name(), told), check_limits(None), *signatures]
    revisions = () if snapshot.chain is None else snapshot.chain.revisions
    signatures = check_signatures(settings.anchor, revisions, clock.now())
    return [_finding(snapshot), check_limits(snapshot.configuration), *signatures]


async def _snapshot(settings: CoordinatorSettings, *, etcd_answers: bool) -> Snapshot | None:
    """What the registry holds; None where it cannot be read: other checks say what is wrong."""
    if settings.etcd is not None and not etcd_answers:
        return None
    try:
        if settings.etcd is None:
            return await asyncio.to_thread(_embedded, settings.database, settings.anchor())
        async with registry_beside(settings) as registry:
            return registry.snapshot()
    except (StoreUnusable, psycopg.Error, RegistryUnreachable, CredentialsUnusable):
        return None


def _name() -> str:
    return translated("configuration in force")


def _embedded(place: DatabasePlace, anchor: Anchor | None) -> Snapshot:
    with place.look() as tx:
        return operations.snapshot(tx, anchor)


def _finding(snapshot: Snapshot) -> Finding:
    revision, configuration = snapshot.revision, snapshot.configuration
    if snapshot.unverified is not None:
        problem = in_language(snapshot.unverified)
        found = translated("what the registry holds does not verify: {problem}", problem=problem)
        todo = translated(
            "find out who wrote it, and apply the last signed revision once more: coordinators serve what they kept"
        )
        return bad(_name(), found, todo)
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
    problems = clauses(
        translated("{region} cannot read {field}", region=region, field=field) for region, field in lagging.items()
    )
    todo = translated(
        "upgrade {regions}: until then each works by the last revision that it could read", regions=enumerated(lagging)
    )
    return warning(_name(), translated("revision {revision}: {problems}", revision=revision, problems=problems), todo)
