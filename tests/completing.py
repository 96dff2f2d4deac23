"""A shell's completions for the last, partly typed word of a command."""

import asyncio
import importlib
import sys
from collections.abc import Mapping

from tests import preloaded

_PROGRAMS = {"region-node": "region_node.cli.main", "coordinator": "coordinator.cli.main"}


async def completed_at_last(environment: Mapping[str, str], program: str, *words: str) -> list[str]:
    """As `completed`, however busy the server is: it retries completions that come too late."""
    while not (found := await completed(environment, program, *words)):
        pass
    return found


async def completed(environment: Mapping[str, str], program: str, *words: str) -> list[str]:
    """Runs a program as the shell does that completes its words; it may print nothing but what it offers."""
    asked = {
        f"_{program.upper().replace('-', '_')}_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join([program, *words]),
        "COMP_CWORD": str(len(words)),
    }
    ended = await asyncio.to_thread(preloaded.run, __name__, program, environment={**environment, **asked})
    assert ended.err == ""
    return [line.partition(",")[2] for line in ended.out.splitlines() if line]


def _run(program: str) -> None:
    importlib.import_module(_PROGRAMS[program]).main(prog_name=program)


if __name__ == "__main__":
    _run(sys.argv[1])
