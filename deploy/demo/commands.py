"""The project's own commands, run as a person would run them."""

import asyncio
import os
import subprocess
import sys

from deploy.demo.world import World
from deploy.local.federation import FEDERATION


async def coordinator_command(world: World, *arguments: str) -> int:
    """Runs `coordinator …` as the administrator, lets it print, and returns its exit code."""
    environment = {
        "CROSSREGION_COORDINATOR": ",".join(replica.endpoint for replica in world.federation.coordinators),
        "CROSSREGION_CREDENTIALS": str(world.federation.directory / "certificates" / "admin"),
        "CROSSREGION_FEDERATION": FEDERATION,
    }
    return await _run(world, "coordinator", environment, *arguments)


async def region_command(world: World, *arguments: str) -> int:
    """Runs `region-node …`, lets it print, and returns its exit code."""
    return await _run(world, "region-node", {}, *arguments)


async def _run(world: World, command: str, environment: dict[str, str], *arguments: str) -> int:
    world.stage.line_to_copy(f"\n  $ {' '.join([command, *arguments])}")
    module = f"{command.replace('-', '_')}.cli.main"
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode
