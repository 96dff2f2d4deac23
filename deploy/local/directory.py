"""The directory of a federation for people: made anew, and with the means to stop its processes."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from deploy.local.federation import LocalFederation

STOP = "stop"
_PIDS = "pids"
_NONE = "-"

# Another process may have the process id by now. Only processes with a path of this federation in their command line
# are stopped.
_STOP_SCRIPT = """\
#!/bin/sh
# Stops the processes of this federation in the order of the file `pids`: nodes, coordinators, then their stores.
here=$(cd "$(dirname "$0")" && pwd -P) || exit 1
tab=$(printf '\\t')

is_ours() {
    if [ -r "/proc/$1/cmdline" ]; then tr '\\0' ' ' <"/proc/$1/cmdline"; else ps -o args= -p "$1" 2>/dev/null; fi |
        grep -qF -- "$2"
}

touch "$here/pids"
while IFS=$tab read -r pid signal mark home name; do
    if is_ours "$pid" "$mark"; then
        kill -s "$signal" "$pid" && echo "stopping $name (process $pid)"
        while is_ours "$pid" "$mark"; do sleep 0.1; done
    fi
    case $home in */crossregion-postgresql-*) rm -rf "$home" ;; esac
done <"$here/pids"
rm -f "$here/pids"
"""


class NotAFederation(Exception):
    """The directory holds other files than those of an earlier federation."""


class RunsAlready(Exception):
    """A federation runs in the directory."""


def require_none_runs(directory: Path) -> None:
    """Raises RunsAlready, with the way to stop it, where a noted process of the directory lives."""
    noted = directory / _PIDS
    if not noted.exists():
        return
    lines = [line.split("\t") for line in noted.read_text("utf-8").splitlines()]
    if any(mark in _command_line(pid) for pid, _, mark, _, _ in lines):
        stop = shlex.join(["sh", str(directory / STOP)])
        raise RunsAlready(f"A federation runs already in {directory}; it was left alone. Stop it with: {stop}")


def prepare(directory: Path) -> None:
    """Empties the directory, after stopping its leftover processes. Raises NotAFederation."""
    script = directory / STOP
    if script.exists():
        subprocess.run(["/bin/sh", str(script)], stdin=subprocess.DEVNULL, check=True)
        shutil.rmtree(directory)
    elif directory.exists() and any(directory.iterdir()):
        raise NotAFederation(f"{directory} is not empty and not the directory of a federation; nothing was touched")
    directory.mkdir(parents=True, exist_ok=True)
    script.write_text(_STOP_SCRIPT, "utf-8")
    script.chmod(0o755)


def note_processes(federation: LocalFederation, *beside: LocalFederation) -> None:
    """Writes down the means to stop the running processes, and those of federations beside it."""
    lines = [
        "\t".join((str(each.pid), each.ending.name.removeprefix("SIG"), each.mark, str(each.home or _NONE), each.name))
        for runs in (*beside, federation)
        for each in runs.running()
    ]
    path = federation.directory / _PIDS
    temporary = path.with_suffix(".new")
    temporary.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    os.replace(temporary, path)


def forget_processes(federation: LocalFederation) -> None:
    """Removes the notes after the end of all processes."""
    (federation.directory / _PIDS).unlink(missing_ok=True)


def _command_line(pid: str) -> str:
    """The command line of a process; empty for a missing one."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except (FileNotFoundError, ProcessLookupError):
            return ""
    asked = subprocess.run(["/bin/ps", "-o", "args=", "-p", pid], capture_output=True, text=True, check=False)
    return asked.stdout
