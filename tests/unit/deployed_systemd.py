"""The systemd units, and the environment files beside them, as processes."""

import shlex
from pathlib import Path

from tests.unit.deployed import Broken, Mounted, Process, kinds_of, seconds

DIRECTORY = "systemd"
UNITS = ("coordinator@.service", "issuing@.service", "region-node@.service")
BACKUP_UNITS = (
    "coordinator-archive@.service",
    "coordinator-create@.service",
    "coordinator-drill@.service",
    "region-node-archive@.service",
    "region-node-create@.service",
    "region-node-drill@.service",
)
EXAMPLE = "backup.example"
ETCD_SETTINGS = "etcd.service.d/crossregion.conf"
PATRONI_SETTINGS = "patroni.service.d/crossregion.conf"
PROGRAMS = "/opt/crossregion/bin/"
_CREDENTIALS = "/etc/crossregion/"
_STATE = "/var/lib/"
_SHARED = ("coordinator", "region-node")

Lines = dict[str, list[str]]


def unit(path: Path) -> Lines:
    """All values of each `Section.Key` of a unit, in their order; what follows `#` at the start of a line is left out.

    Raises Broken for a line that is neither a section nor `key=value`. Units here continue no line.
    """
    section, found = "", Lines()
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif "=" in line and not line.endswith("\\"):
            key, _, value = line.partition("=")
            found.setdefault(f"{section}.{key}", []).append(value)
        else:
            raise Broken(f"{path.name}:{number}: {line!r} is no setting of a unit")
    return found


def only(lines: Lines, key: str) -> str:
    """The value of a key that stands there once. Raises Broken."""
    match lines.get(key, []):
        case [value]:
            return value
        case values:
            raise Broken(f"{key} stands there {len(values)} times")


def processes(deploy: Path) -> list[Process]:
    """The processes that keep running: an instance for each environment file, and the members of etcd by host name."""
    directory = deploy / DIRECTORY
    found = []
    for path in sorted(directory.glob("*.env")):
        if path.stem not in _SHARED:
            program = "coordinator" if path.stem.startswith("coordinator-") else "region-node"
            found.append(_instance(directory, program, path.stem))
    return [*found, *(_member(directory, f"etcd-{index}") for index in range(3))]


def _instance(directory: Path, program: str, name: str) -> Process:
    lines = unit(directory / f"{program}@.service")
    instance = name.removeprefix("coordinator-")
    variables = _assignments(lines, instance)
    # What stands in a file wins over what stands in the unit.
    for value in lines.get("Service.EnvironmentFile", []):
        if value.startswith("-"):
            continue  # it need not be there, and here it is not
        file = directory / value.replace("%i", instance).removeprefix(_CREDENTIALS)
        if not file.is_file():
            raise Broken(f"{name}: there is no {file.name}")
        variables |= environment_file(file)
    return Process(
        name=name,
        command=command(only(lines, "Service.ExecStart")),
        variables=variables,
        stop_seconds=seconds(only(lines, "Service.TimeoutStopSec")),
        before=command(only(lines, "Service.ExecStartPre")),
        before_variables=variables,
        certificates={f"{_CREDENTIALS}{name}/{kind}": Mounted(name, kind) for kind in kinds_of(program, variables)},
        data=_STATE + only(lines, "Service.StateDirectory").replace("%i", instance),
        hosts=frozenset({f"{name}.example.net"}),
    )


def _member(directory: Path, host: str) -> Process:
    lines = unit(directory / ETCD_SETTINGS)
    return Process(
        name=host,
        command=("etcd",),
        variables={name: value.replace("%l", host) for name, value in _assignments(lines, "").items()},
        # Debian's unit leaves it at what systemd gives all.
        stop_seconds=90,
        certificates={f"{_CREDENTIALS}etcd": Mounted(host, "etcd")},
        data="/var/lib/etcd",
        hosts=frozenset({f"{host}.example.net"}),
    )


def _assignments(lines: Lines, instance: str) -> dict[str, str]:
    assigned = (value.replace("%i", instance).partition("=") for value in lines.get("Service.Environment", []))
    return {name: value for name, _, value in assigned}


def command(line: str) -> tuple[str, ...]:
    """The words of a command of a unit. Raises Broken for a program that is elsewhere."""
    program, *arguments = shlex.split(line)
    if not program.startswith(PROGRAMS):
        raise Broken(f"{program} is not where the image has it, {PROGRAMS}")
    return (program.removeprefix(PROGRAMS), *arguments)


def environment_file(path: Path) -> dict[str, str]:
    """The variables of an environment file, a line each, their values quoted or not. Raises Broken."""
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        words = shlex.split(value)
        if not equals or len(words) != 1 or name in found:
            raise Broken(f"{path.name}:{number}: {line!r} is no variable, or stands there twice")
        found[name] = words[0]
    return found
