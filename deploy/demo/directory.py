"""The directory of a demo: made anew each time, and with what it takes to stop the processes by their ids."""

import os
import shutil
import subprocess
from pathlib import Path

from deploy.local.federation import LocalFederation

STOP = "stop"
_PIDS = "pids"

# A process id may belong to somebody else by now: only what was started with a file of this directory is stopped.
_STOP_SCRIPT = """\
#!/bin/sh
# Stops the processes of this demo, by their ids in the file `pids`: the nodes first, then the coordinator.
here=$(cd "$(dirname "$0")" && pwd -P) || exit 1

is_ours() {
    if [ -r "/proc/$1/cmdline" ]; then tr '\\0' ' ' <"/proc/$1/cmdline"; else ps -o args= -p "$1" 2>/dev/null; fi |
        grep -qF -- "$here/settings/"
}

touch "$here/pids"
while read -r pid name; do
    is_ours "$pid" || continue
    kill "$pid" && echo "stopping $name (process $pid)"
    while is_ours "$pid"; do sleep 0.1; done
done <"$here/pids"
rm -f "$here/pids"
"""


class NotADemo(Exception):
    """The directory holds something else than an earlier demo."""


def prepare(directory: Path) -> None:
    """Empties the directory, after stopping what an earlier demo left running in it. Raises NotADemo."""
    script = directory / STOP
    if script.exists():
        subprocess.run(["/bin/sh", str(script)], stdin=subprocess.DEVNULL, check=True)
        shutil.rmtree(directory)
    elif directory.exists() and any(directory.iterdir()):
        raise NotADemo(f"{directory} is not empty and not the directory of a demo; nothing was touched")
    directory.mkdir(parents=True, exist_ok=True)
    script.write_text(_STOP_SCRIPT, "utf-8")
    script.chmod(0o755)


def note_processes(federation: LocalFederation) -> None:
    """Writes down the ids of the processes that run, nodes first."""
    running = [process for process in federation.processes.values() if process.runs()]
    lines = [f"{process.pid} {process.program.name}\n" for process in reversed(running)]
    path = federation.directory / _PIDS
    temporary = path.with_suffix(".new")
    temporary.write_text("".join(lines), "utf-8")
    os.replace(temporary, path)


def forget_processes(federation: LocalFederation) -> None:
    """None runs any more."""
    (federation.directory / _PIDS).unlink(missing_ok=True)
