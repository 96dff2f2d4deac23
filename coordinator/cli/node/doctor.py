"""`coordinator doctor`."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from coordinator.cli.node.config import COORDINATOR
from coordinator.cli.node.configuration_checks import check_configuration
from coordinator.cli.node.etcd_members import check_etcd
from coordinator.cli.node.loss_checks import check_losses
from coordinator.settings import CoordinatorSettings
from gateway.maintenance.doctor.certificates import check_credentials
from gateway.maintenance.doctor.commands import doctor_command
from gateway.maintenance.doctor.findings import Finding, State, good, not_checked
from gateway.maintenance.doctor.process import check_process
from gateway.maintenance.doctor.provider_keys import check_provider_keys
from gateway.maintenance.doctor.renewal import check_renewal
from gateway.settings import Sources
from gateway.time.clock import Clock, SystemClock
from gateway.wording.languages import translated


async def _examine(sources: Sources, settings: CoordinatorSettings) -> Sequence[Finding]:
    clock = SystemClock()
    renewal = await asyncio.to_thread(check_renewal, settings.own_credentials, settings.identity, clock.now())
    settings = replace(settings, credentials=settings.own_credentials.in_use(clock.now()))
    process, etcd, losses = await asyncio.gather(
        check_process(COORDINATOR, sources, settings, clock, [renewal]),
        _etcd(settings, clock),
        check_losses(settings, clock),
    )
    # The last of them tells of the quorum.
    etcd_answers = etcd[-1].state in (State.GOOD, State.WARNING)
    configuration = await check_configuration(settings, clock, etcd_answers=etcd_answers)
    return [*process, *_sign_in(settings), *_clock(settings), *etcd, *losses, *configuration]


def _sign_in(settings: CoordinatorSettings) -> list[Finding]:
    if settings.web is None or settings.web.oidc is None:
        return []
    return [check_provider_keys(translated("identity provider of the console"), settings.web.oidc.provider)]


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


doctor = doctor_command(COORDINATOR, _examine)
