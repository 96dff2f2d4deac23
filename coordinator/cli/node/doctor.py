"""`coordinator doctor`."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from coordinator.cli.node.config import load_settings, settings_options
from coordinator.cli.node.etcd_members import check_etcd
from coordinator.schema import PACKAGES
from coordinator.settings import CoordinatorSettings
from gateway.api.types.v1.access_pb2 import Role
from gateway.maintenance.doctor.certificates import check_credentials
from gateway.maintenance.doctor.commands import doctor_command
from gateway.maintenance.doctor.database import check_database
from gateway.maintenance.doctor.findings import Finding, good, not_checked
from gateway.maintenance.doctor.machine import check_data
from gateway.maintenance.doctor.peers import check_port
from gateway.security.identity import Identity, server_name
from gateway.settings import Sources
from gateway.store.schema import migrations_of
from gateway.time.clock import Clock, SystemClock
from gateway.wording.languages import translated

_PROGRAM = "coordinator"


def _examine(sources: Sources) -> Coroutine[Any, Any, Sequence[Finding]]:
    return _all(sources, load_settings(sources), SystemClock())


async def _all(sources: Sources, settings: CoordinatorSettings, clock: Clock) -> Sequence[Finding]:
    own = Identity(settings.federation, Role.ROLE_COORDINATOR, "", str(settings.number))
    name = server_name(Role.ROLE_COORDINATOR, "", settings.federation)
    now = clock.now()
    data, port, database, etcd = await asyncio.gather(
        asyncio.to_thread(check_data, settings.data),
        check_port(settings.listen, name, settings.credentials),
        asyncio.to_thread(check_database, settings.database, migrations_of(*PACKAGES), _PROGRAM, clock),
        _etcd(settings, clock),
    )
    found = [
        good(translated("settings"), translated("{sources}: fine", sources=sources)),
        *check_credentials(settings.credentials, now, own),
    ]
    return [*found, *data, port, *database, *_clock(settings), *etcd]


def _clock(settings: CoordinatorSettings) -> list[Finding]:
    if settings.postgresql is not None:
        return []
    told = translated("nobody that this coordinator asks tells its time")
    return [
        not_checked(
            translated("clock"), told, translated("see how far the regions are from it: `coordinator regions list`")
        )
    ]


async def _etcd(settings: CoordinatorSettings, clock: Clock) -> list[Finding]:
    if settings.etcd is None:
        return [good(translated("registry"), translated("embedded: this coordinator is the only one"))]
    return [
        *check_credentials(settings.etcd.credentials, clock.now(), None, "etcd "),
        *await check_etcd(settings.etcd, clock),
    ]


doctor = doctor_command(_PROGRAM, settings_options, _examine)
