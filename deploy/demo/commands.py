"""The project's own commands, run as a person would run them."""

import asyncio
import os
import shlex
import subprocess
from pathlib import Path

from deploy.demo import wording
from deploy.demo.stage import Stage
from deploy.demo.world import World
from deploy.local.federation import FEDERATION, LocalFederation


async def coordinator_command(world: World, *arguments: str) -> int:
    """Runs `coordinator …` as the administrator, lets it print, and returns its exit code."""
    return await administrator_command(world.stage, world.federation, *arguments)


async def administrator_command(stage: Stage, federation: LocalFederation, *arguments: str) -> int:
    """Runs `coordinator …` as the administrator of a federation, lets it print, and returns its exit code."""
    endpoints = ",".join(replica.endpoint for replica in federation.coordinators)
    environment = {"CROSSREGION_COORDINATOR": endpoints, **_as(federation.directory / "certificates" / "admin")}
    return await _run(stage, federation, "coordinator", environment, *arguments)


async def staff_command(
    stage: Stage, federation: LocalFederation, region: str, certificate: str, *arguments: str
) -> int:
    """Runs `region-node …` at a region's node with the certificate `certificates/<certificate>`, lets it print, and
    returns its exit code."""
    environment = {
        "CROSSREGION_NODE": federation.endpoint(region),
        "CROSSREGION_REGION": region,
        "TZ": wording.ZONE.key,
        **_as(federation.directory / "certificates" / certificate),
    }
    return await _run(stage, federation, "region-node", environment, *arguments)


async def region_command(world: World, *arguments: str) -> int:
    """Runs `region-node …`, lets it print, and returns its exit code."""
    return await _run(world.stage, world.federation, "region-node", {}, *arguments)


def _as(certificates: Path) -> dict[str, str]:
    """The environment of a command: its credentials, and its federation."""
    return {"CROSSREGION_CREDENTIALS": str(certificates), "CROSSREGION_FEDERATION": FEDERATION}


async def _run(
    stage: Stage, federation: LocalFederation, program: str, environment: dict[str, str], *arguments: str
) -> int:
    stage.line_to_copy(f"\n  $ {shlex.join([program, *arguments])}")
    done = await asyncio.to_thread(
        subprocess.run,
        federation.command(program, *arguments),
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode
