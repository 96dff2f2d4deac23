"""The commands, as people run them, against a federation that runs in this process."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping


async def run_command(
    module: str, *arguments: str, environment: Mapping[str, str], typed: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Runs a command to its end, with `typed` on its standard input; what it has printed, and its exit code.

    In a thread: the event loop would fork a process that is full of gRPC's threads, and the child may die of that.
    """
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, **environment},
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )
