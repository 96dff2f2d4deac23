"""The checks of every program that serves: its settings, certificates, directory, port and database."""

import asyncio
from collections.abc import Sequence

from gateway.maintenance.doctor.archive import check_archive
from gateway.maintenance.doctor.backups import check_backups, check_shared_store
from gateway.maintenance.doctor.certificates import check_credentials
from gateway.maintenance.doctor.database import check_database
from gateway.maintenance.doctor.findings import Finding, good
from gateway.maintenance.doctor.machine import check_data
from gateway.maintenance.doctor.peers import check_port
from gateway.maintenance.program import Program, S
from gateway.security.identity import server_name
from gateway.settings import Sources
from gateway.time.clock import Clock
from gateway.wording.languages import translated


async def check_process(
    program: Program[S], sources: Sources, settings: S, clock: Clock, files: Sequence[Finding] = ()
) -> list[Finding]:
    """Looks at the process with these settings, running or not. `files`: findings about further files of it."""
    own, credentials = settings.identity, settings.credentials
    shared = program.shared_store(settings)
    data, port, database, archive = await asyncio.gather(
        asyncio.to_thread(check_data, settings.data),
        check_port(settings.listen, server_name(own.role, own.region, own.federation), credentials),
        asyncio.to_thread(check_database, settings.database, program.migrations(), program.name, clock),
        asyncio.to_thread(check_archive, settings.database, own.uri),
    )
    return [
        good(translated("settings"), translated("{sources}: fine", sources=sources)),
        *check_credentials(credentials, clock.now(), own),
        *files,
        *data,
        port,
        *database,
        *archive,
        *check_backups(settings.backup, settings.database, settings.data, clock.now(), shared),
        *check_shared_store(settings.backup, shared),
    ]
