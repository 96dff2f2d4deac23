"""`python -m deploy.local.driven CLOCK coordinator|region-node ARGUMENTS…`: a command by a clock that is driven.

The commands that operators install know no such clock.
"""

import sys
from pathlib import Path
from typing import Final

import coordinator.cli.main
import region_node.cli.main
from deploy.local.driven_clock import DrivenClock

_PROGRAMS: Final = {"coordinator": coordinator.cli.main.main, "region-node": region_node.cli.main.main}


def main(clock_file: str, program: str, *arguments: str) -> None:
    """Runs the command to its end, as the program's own command line."""
    sys.argv = [program, *arguments]
    _PROGRAMS[program](obj=DrivenClock(Path(clock_file)))


if __name__ == "__main__":
    main(*sys.argv[1:])
