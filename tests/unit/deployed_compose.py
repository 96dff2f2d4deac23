"""The compose file as processes."""

from pathlib import Path

from tests.unit.deployed import Broken, Mounted, Node, Process, documents, kinds_of, seconds

FILE = "compose.yaml"
BACKUPS = "-backups"
"""The end of the name of a service that makes the backups of another one."""
SCRATCH = "-scratch"
"""The end of the name of the volume in which the backups of a service are made."""
_CREDENTIALS = "${CREDENTIALS:-./credentials}/"
_OTHERS = ("-migrate", BACKUPS)
_DONE = "service_completed_successfully"


def services(deploy: Path) -> dict[str, Node]:
    """The services by name."""
    (compose,) = documents(deploy / FILE)
    return dict(compose["services"].items())


def processes(deploy: Path) -> list[Process]:
    """The processes that keep running."""
    found = services(deploy)
    return [_process(name, service, found) for name, service in found.items() if not name.endswith(_OTHERS)]


def _process(name: str, service: Node, others: dict[str, Node]) -> Process:
    program = service["image"].text.removeprefix("crossregion-").partition(":")[0]
    variables = service.mapping("environment")
    command = service.texts("command") or (program,)
    before = _before(service, others)
    certificates: dict[str, Mounted] = {}
    data = ""
    for volume in service.texts("volumes"):
        if volume.startswith(_CREDENTIALS):
            owner, directory, mode = volume.removeprefix(_CREDENTIALS).split(":")
            if mode != "ro":
                raise Broken(f"{name}: certificates can be written")
            certificates |= _mounted(owner, directory, kinds_of(command[0], variables))
        elif not volume.startswith(f"{name}{SCRATCH}:"):
            volume_name, data, *options = volume.split(":")
            if options:
                raise Broken(f"{name}: its data cannot be written")
            if volume_name != name:
                raise Broken(f"{name}: keeps its data in the volume {volume_name}")
    return Process(
        name=name,
        command=command,
        variables=variables,
        stop_seconds=seconds(service["stop_grace_period"].text),
        before=() if before is None else before.texts("command"),
        before_variables={} if before is None else before.mapping("environment"),
        certificates=certificates,
        data=data,
        hosts=frozenset({name}),
    )


def _mounted(owner: str, directory: str, kinds: list[str]) -> dict[str, Mounted]:
    whose, _, kind = owner.partition("/")
    if kind:
        return {directory: Mounted(whose, kind)}
    return {f"{directory}/{each}": Mounted(whose, each) for each in kinds}


def _before(service: Node, others: dict[str, Node]) -> Node | None:
    depends = service.get("depends_on")
    waits = [] if depends is None else depends.items()
    done = [others[name] for name, condition in waits if condition["condition"].text == _DONE]
    return done[0] if done else None
