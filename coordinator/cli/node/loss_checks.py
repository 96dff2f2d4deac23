"""The check of `coordinator doctor` on losses of the registry."""

import asyncio

from coordinator.registry.etcd.client import EtcdClient, Rejected, Unanswered
from coordinator.registry.etcd.last_good import LastGood
from coordinator.registry.etcd.settings import EtcdSettings
from coordinator.settings import CoordinatorSettings
from gateway.maintenance.doctor.findings import Finding, bad
from gateway.maintenance.doctor.losses import open_loss
from gateway.process.last_good import LastGoodBroken
from gateway.security.tls import CredentialsUnusable
from gateway.store.opening import DatabasePlace
from gateway.time.clock import Clock
from gateway.wording.languages import translated


async def check_losses(settings: CoordinatorSettings, clock: Clock) -> list[Finding]:
    """The loss that keeps the coordinator from forwarding, if there is one. With etcd the database is no registry."""
    if settings.etcd is None:
        return await asyncio.to_thread(_of_database, settings.database)
    return await _of_etcd(settings.etcd, LastGood(settings.data), clock)


def _of_database(place: DatabasePlace) -> list[Finding]:
    loss = open_loss(place)
    if loss is None:
        return []
    found = translated(
        "rows of the audit chain after row {last} are missing, and {witness} has seen row {seen}: nothing is forwarded",
        last=loss.last_sequence,
        witness=loss.witness,
        seen=loss.seen_sequence,
    )
    todo = translated(
        "put a newer database back; or suspend and apply again what was lost, and then: `coordinator regions"
        " accept-loss {number} REFERENCE`",
        number=loss.number,
    )
    return [bad(_name(), found, todo)]


async def _of_etcd(settings: EtcdSettings, last_good: LastGood, clock: Clock) -> list[Finding]:
    """Compares etcd with the last good copy, which is read first: a running coordinator goes on."""
    try:
        kept, client = last_good.load(), EtcdClient(settings, clock)
    except (LastGoodBroken, CredentialsUnusable):
        return []
    try:
        now = await client.read([])
    except (Unanswered, Rejected):
        return []  # a finding of its own
    finally:
        await client.close()
    if kept is None:
        return []
    if kept.cluster not in (0, now.cluster):
        cluster, former = f"{now.cluster:x}", f"{kept.cluster:x}"
        found = translated(
            "etcd is cluster {cluster} and was cluster {former}: nothing is forwarded", cluster=cluster, former=former
        )
    elif now.revision < kept.revision:
        found = translated(
            "etcd is at revision {revision} and was at {seen}: nothing is forwarded",
            revision=now.revision,
            seen=kept.revision,
        )
    else:
        return []
    todo = translated(
        "let the former etcd serve again; or accept this one: remove {file}, and start the coordinator again",
        file=last_good.path,
    )
    return [bad(_name(), found, todo)]


def _name() -> str:
    return translated("completeness")
