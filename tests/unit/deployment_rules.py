"""Rules for each description of the production shape by itself. Each rule yields its findings."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import click

from coordinator.cli.main import main as coordinator
from deploy.demo.world import REGIONS
from deploy.image import debian_packages
from gateway.process.running import STOP_SECONDS
from gateway.rpc.connections import LARGE
from gateway.settings import without_passwords
from gateway.values.sizes import MIB
from region_node.cli.main import main as region_node
from tests.unit import deployed_compose, deployed_failover, deployed_image, deployed_kubernetes, deployed_systemd
from tests.unit.deployed import Broken, Node, documents
from tests.unit.deployed_image import Stage
from tests.unit.deployed_kubernetes import containers, labels_of, manifests, name_of, pod_of, served_in

Rule = Callable[[Path], Iterator[str]]

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = "1.37.0"
"""The newest version whose schemas the checker brings."""
MOST_EXPOSED = 20
"""Tenths of a point that `systemd-analyze security` may give a unit, of 100."""
_PROGRAMS = {"coordinator": coordinator, "region-node": region_node}
_TARGETS = ("crossregion", "etcd", "patroni", "postgresql")
_PINNED_BASE = re.compile(r"debian:13-slim@sha256:[0-9a-f]{64}")
_BUILD_TOOLS = re.compile(r"\b(?:gcc|g\+\+|make|build-essential|[\w.-]+-dev|python3-(?:pip|setuptools|venv)|git)\b")
_INSTALL = re.compile(r"\bpip (?:--python \S+ )?install\b")
_OF_SERVING = frozenset(
    {
        "Service.Type",
        "Service.ExecStartPre",
        "Service.ExecStart",
        "Service.TimeoutStartSec",
        "Service.Restart",
        "Service.RestartSec",
        "Service.RestartPreventExitStatus",
    }
)
_SIZE = re.compile(r"(\d+)(?:g|G|Gi)")
"""Gibibytes as Docker, systemd and Kubernetes write them."""
_SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET_KEY|API_KEY", re.IGNORECASE)


def files(deploy: Path) -> Iterator[Path]:
    """All files of the descriptions."""
    yield from (deploy / name for name in (deployed_compose.FILE, deployed_failover.COMPOSE))
    for directory in ("image", "kubernetes", deployed_failover.DIRECTORY, "postgresql", "systemd"):
        yield from sorted(path for path in (deploy / directory).rglob("*") if path.is_file() and path.suffix != ".pyc")


def copy_to(place: Path) -> Path:
    """Copies the descriptions to a directory, which may be changed, and returns that."""
    deploy = ROOT / "deploy"
    for path in files(deploy):
        copy = place / path.relative_to(deploy)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return place


def damage(path: Path, right: str, wrong: str) -> None:
    """Replaces what is right in a file, which must be there."""
    text = path.read_text("utf-8")
    assert right in text
    path.write_text(text.replace(right, wrong), "utf-8")


def unknown_command(command: Iterable[str]) -> str | None:
    """The error in a command line of a program of the project; None for a valid one."""
    name, *arguments = command
    if name not in _PROGRAMS:
        return f"there is no program {name}"
    try:
        found: click.Command = _PROGRAMS[name]
        while isinstance(found, click.Group) and arguments:
            _, following, arguments = found.resolve_command(click.Context(found, info_name=name), arguments)
            found = following if following is not None else found
        found.make_context(name, arguments)
    except click.exceptions.Exit:
        return None  # --help, which ends at once
    except click.ClickException as error:
        return error.format_message()
    return None


def compose_schema(deploy: Path) -> Iterator[str]:
    """The compose file is what the Compose specification allows."""
    yield from _checked("check_jsonschema", "--builtin-schema", "vendor.compose-spec", deploy / deployed_compose.FILE)


def kubernetes_schema(deploy: Path) -> Iterator[str]:
    """The manifests are what Kubernetes allows, without unknown keys."""
    kept = [path for path in files(deploy) if path.parent.name == deployed_kubernetes.DIRECTORY]
    manifest_files = [path for path in kept if path.name != deployed_kubernetes.KUSTOMIZATION]
    yield from _checked("kubernetes_validate", "--strict", "--quiet", "-k", KUBERNETES, *manifest_files)


def _checked(module: str, *arguments: str | Path) -> Iterator[str]:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        yield f"{done.stdout}{done.stderr}".strip()


def systemd_accepts(deploy: Path) -> Iterator[str]:
    """systemd finds nothing wrong with the units, and finds them little exposed. Needs systemd-analyze."""
    directory = deploy / deployed_systemd.DIRECTORY
    program = directory / "program"
    program.write_text("#!/bin/sh\n", "utf-8")
    program.chmod(0o755)
    for name in (*deployed_systemd.UNITS, *deployed_systemd.BACKUP_UNITS):
        # systemd looks for the programs too, which this machine may not have.
        copy = directory / f"checked-{name}"
        text = (directory / name).read_text("utf-8")
        copy.write_text(re.sub(rf"{deployed_systemd.PROGRAMS}[a-z-]+", str(program), text), "utf-8")
        yield from _systemd("verify", copy)
        yield from _systemd("security", "--no-pager", "--offline=true", f"--threshold={MOST_EXPOSED}", copy)
    # Ours are additions to the units of Debian's packages, which need not be here.
    for added, user in ((deployed_systemd.ETCD_SETTINGS, "etcd"), (deployed_systemd.PATRONI_SETTINGS, "postgres")):
        copy = directory / f"checked-{added.partition('.')[0]}.service"
        settings = (directory / added).read_text("utf-8")
        copy.write_text(f"{settings}\nUser={user}\nExecStart={program}\n", "utf-8")
        yield from _systemd("verify", copy)
        if added == deployed_systemd.PATRONI_SETTINGS:
            yield from _systemd("security", "--no-pager", "--offline=true", f"--threshold={MOST_EXPOSED}", copy)


def _systemd(verb: str, *arguments: str | Path) -> Iterator[str]:
    command = ["systemd-analyze", verb, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # What it ignores it only says.
    if done.returncode or done.stderr:
        yield f"{' '.join(command)}: {done.stderr or done.stdout[-200:]}"


def nothing_secret(deploy: Path) -> Iterator[str]:
    """No key, password or Secret stands in a description: they are referred to."""
    for path in files(deploy):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            key = line.partition("=")[0].partition(":")[0]
            named = _SECRET_NAME.search(key) and not key.endswith("_FILE")
            if without_passwords(line) != line or "PRIVATE KEY" in line or (named and not line.startswith("#")):
                yield f"{path.name}:{number}: holds a secret"
    for manifest in manifests(deploy, "Secret"):
        yield f"the Secret {name_of(manifest)} holds secrets"


def compose_confined(deploy: Path) -> Iterator[str]:
    """Every container has few privileges, a health check, and time to stop."""
    for name, service in deployed_compose.services(deploy).items():
        once, is_asked = name.endswith("-migrate"), not name.endswith(("-migrate", deployed_compose.BACKUPS))
        if service["read_only"].value is not True:
            yield f"{name}: its root file system can be written"
        if service.texts("cap_drop") != ("ALL",):
            yield f"{name}: keeps capabilities"
        if service.texts("security_opt") != ("no-new-privileges:true",):
            yield f"{name}: may gain privileges"
        if any(service.get(key) for key in ("privileged", "user", "cap_add", "pid")):
            yield f"{name}: takes more than the image gives"
        if service.get("network_mode") is not None and service["network_mode"].text != "none":
            yield f"{name}: takes another's network"
        if is_asked and not service["healthcheck"].texts("test"):
            yield f"{name}: nobody asks how it is"
        if service["restart"].text != ("no" if once else "unless-stopped"):
            yield f"{name}: restarts otherwise than it should"
        if any(not port.startswith("127.0.0.1:") for port in service.texts("ports")):
            yield f"{name}: is open to other machines"
        if (target := service["build"]["target"].text) != service["image"].text.partition(":")[0].rpartition("-")[2]:
            yield f"{name}: the image {service['image'].text} is built from {target}"


def pods_confined(deploy: Path) -> Iterator[str]:
    """Every pod may do little, gets no foreign variables, and has time to stop."""
    for stateful_set in manifests(deploy, "StatefulSet"):
        name, pod = name_of(stateful_set), pod_of(stateful_set)
        if pod["enableServiceLinks"].value is not False:
            yield f"{name}: Services leave variables that no setting is named after"
        if pod["automountServiceAccountToken"].value is not False:
            yield f"{name}: can call Kubernetes"
        if pod["terminationGracePeriodSeconds"].number <= STOP_SECONDS:
            yield f"{name}: is killed before it ends by itself"
        context = pod["securityContext"]
        if context["runAsNonRoot"].value is not True:
            yield f"{name}: may run as root"
        if context["seccompProfile"]["type"].text != "RuntimeDefault":
            yield f"{name}: may make any system call"
        if context["fsGroupChangePolicy"].text != "OnRootMismatch":
            yield f"{name}: private files are opened to the group at each start"
        for volume in pod.nodes("volumes"):
            secret = volume.get("secret") or volume.get("projected")
            if secret is not None and secret["defaultMode"].number & 0o037:
                yield f"{name}: others can read {volume['name'].text}"
        for container in containers(pod):
            yield from _container_confined(name, container)
        yield from _probed(name, pod)


def _container_confined(name: str, container: Node) -> Iterator[str]:
    own = container["securityContext"]
    if own["allowPrivilegeEscalation"].value is not False:
        yield f"{name}: may gain privileges"
    if own["readOnlyRootFilesystem"].value is not True:
        yield f"{name}: its root file system can be written"
    if own["capabilities"].texts("drop") != ("ALL",):
        yield f"{name}: keeps capabilities"
    if container["resources"]["limits"].get("memory") is None or container["resources"]["requests"].get("cpu") is None:
        yield f"{name}: its resources are not bounded"


def _probed(name: str, pod: Node) -> Iterator[str]:
    container = served_in(pod)
    ports = {port["name"].text for port in container.nodes("ports")}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        socket = container[probe].get("tcpSocket")
        if socket is not None and socket["port"].text not in ports:
            yield f"{name}: {probe} asks at a port that is not there"
        if container[probe].get("grpc") is not None:
            yield f"{name}: {probe} cannot ask by mutual TLS"


def replicas_disrupted_one_by_one(deploy: Path) -> Iterator[str]:
    """Of several replicas, one at a time may be taken away; of a single one, none is promised."""
    budgets = {name_of(budget): budget["spec"] for budget in manifests(deploy, "PodDisruptionBudget")}
    for stateful_set in manifests(deploy, "StatefulSet"):
        name = name_of(stateful_set)
        budget = budgets.pop(name, None)
        if (stateful_set["spec"]["replicas"].number > 1) != (budget is not None):
            yield f"{name}: several replicas and a PodDisruptionBudget go together"
        elif budget is not None:
            if budget["maxUnavailable"].value != 1:
                yield f"{name}: more than one may be away, or none"
            if budget["selector"].mapping("matchLabels") != stateful_set["spec"]["selector"].mapping("matchLabels"):
                yield f"{name}: the PodDisruptionBudget is about other pods"
    yield from (f"the PodDisruptionBudget {name} is about nothing" for name in budgets)


def manifests_belong_together(deploy: Path) -> Iterator[str]:
    """Selectors find their pods, Services their ports, and the kustomization every file."""
    services = {name_of(service): service["spec"] for service in manifests(deploy, "Service")}
    for stateful_set in manifests(deploy, "StatefulSet"):
        name, labels, specification = name_of(stateful_set), labels_of(stateful_set), stateful_set["spec"]
        if not specification["selector"].mapping("matchLabels").items() <= labels.items():
            yield f"{name}: does not select its own pods"
        service = services.pop(specification["serviceName"].text, None)
        if service is None:
            yield f"{name}: there is no Service for its names"
            continue
        if not service.mapping("selector").items() <= labels.items():
            yield f"{name}: its Service is for other pods"
        if service["clusterIP"].text != "None":
            yield f"{name}: its pods have no names of their own"
        container = served_in(pod_of(stateful_set))
        inside = {(port["name"].text, port["containerPort"].number) for port in container.nodes("ports")}
        if {(port["name"].text, port["port"].number) for port in service.nodes("ports")} != inside:
            yield f"{name}: its Service has other ports than its pods"
    yield from (f"the Service {name} is for nothing" for name in services)
    directory = deploy / deployed_kubernetes.DIRECTORY
    (kustomization,) = documents(directory / deployed_kubernetes.KUSTOMIZATION)
    others = {path.name for path in directory.glob("*.yaml")} - {deployed_kubernetes.KUSTOMIZATION}
    if set(kustomization.texts("resources")) != others:
        yield "the kustomization lists other files than there are"
    namespace = kustomization["namespace"].text
    for manifest in manifests(deploy):
        if manifest["kind"].text != "Namespace" and manifest["metadata"]["namespace"].text != namespace:
            yield f"{name_of(manifest)}: is in another namespace"


def units_drain(deploy: Path) -> Iterator[str]:
    """Units stop, start again and give up as the programs mean it."""
    for name in deployed_systemd.UNITS:
        lines = deployed_systemd.unit(deploy / deployed_systemd.DIRECTORY / name)
        expected = {
            "Service.KillSignal": "SIGTERM",
            "Service.Restart": "on-failure",
            # The exit code for settings that cannot be used.
            "Service.RestartPreventExitStatus": "2",
            # Each issuing program has an account of its own: its key makes other members.
            "Service.User": "crossregion-%i" if name.startswith("issuing") else "crossregion",
            "Service.NoNewPrivileges": "yes",
            "Service.ProtectSystem": "strict",
            "Unit.StartLimitIntervalSec": "0",
        }
        for key, value in expected.items():
            if deployed_systemd.only(lines, key) != value:
                yield f"{name}: {key} is not {value}"


def memory_bounded(deploy: Path) -> Iterator[str]:
    """A process that a flood fills ends alone, and only beyond the memory at which it closes connections by itself."""
    found = {name: each["mem_limit"].text for name, each in deployed_compose.services(deploy).items()}
    for name in deployed_systemd.UNITS:
        lines = deployed_systemd.unit(deploy / deployed_systemd.DIRECTORY / name)
        found[name] = deployed_systemd.only(lines, "Service.MemoryMax")
    for stateful_set in manifests(deploy, "StatefulSet"):
        for each in containers(pod_of(stateful_set)):
            if each["image"].text.startswith("crossregion:"):
                found[f"{name_of(stateful_set)}, {each['name'].text}"] = each["resources"]["limits"]["memory"].text
    for name, size in found.items():
        limit = _SIZE.fullmatch(size)
        if limit is None or int(limit[1]) * 1024 * MIB <= LARGE:
            yield f"{name}: {size} of memory end it before it closes connections"


def backups_run_as_their_process(deploy: Path) -> Iterator[str]:
    """A unit of backups differs from that of its process in its command and its end; each has a timer."""
    directory = deploy / deployed_systemd.DIRECTORY
    found = {path.name for path in directory.glob("*-*@.service")}
    if found - set(deployed_systemd.UNITS) != set(deployed_systemd.BACKUP_UNITS):
        yield "there are other units of backups than are checked"
    for name in deployed_systemd.BACKUP_UNITS:
        program, _, verb = name.partition("@")[0].rpartition("-")
        lines = deployed_systemd.unit(directory / name)
        served = deployed_systemd.unit(directory / f"{program}@.service")
        command = deployed_systemd.command(deployed_systemd.only(lines, "Service.ExecStart"))
        if command != (program, "backups", verb):
            yield f"{name}: runs {' '.join(command)}"
        elif (problem := unknown_command(command)) is not None:
            yield f"{name}: {problem}"
        for key, values in served.items():
            if key.startswith("Service.") and key not in _OF_SERVING and lines.get(key) != values:
                yield f"{name}: {key} is another than that of {program}@.service"
        timer = deployed_systemd.unit(directory / name.replace(".service", ".timer"))
        if "Timer.OnCalendar" not in timer or timer.get("Install.WantedBy") != ["timers.target"]:
            yield f"{name}: its timer never starts it"
    example = deployed_systemd.environment_file(directory / deployed_systemd.EXAMPLE)
    known = {"REGION_NODE_BACKUP__REPOSITORY", "REGION_NODE_BACKUP__PASSWORD_FILE", "REGION_NODE_WEB__LISTEN"}
    if set(example) != known:
        yield f"{deployed_systemd.EXAMPLE}: does not name {', '.join(sorted(known))}"


def containers_make_backups(deploy: Path) -> Iterator[str]:
    """One process of each member makes backups in a container beside it, which has its settings, data and files."""
    services = deployed_compose.services(deploy)
    wanted = {f"{program}-0{deployed_compose.BACKUPS}" for program in ("coordinator", *REGIONS)}
    if wanted != {name for name in services if name.endswith(deployed_compose.BACKUPS)}:
        yield "compose: other services make backups than one for each member"
    for name in sorted(wanted & services.keys()):
        backups, served = services[name], services[name.removesuffix(deployed_compose.BACKUPS)]
        migrate = services[f"{name.partition('-')[0]}-migrate"]
        yield from _run_beside(name, backups, served, (), ("image", "environment", "volumes", "env_file", "networks"))
        if migrate["env_file"].value != served["env_file"].value:
            yield f"{name}: the schema is upgraded without the archive"
        if backups.texts("profiles") != ("backups",):
            yield f"{name}: runs where no backups are wanted"
        if served.nodes("env_file")[0]["required"].value is not False:
            yield f"{name}: needs settings of backups"
    for stateful_set in manifests(deploy, "StatefulSet"):
        name, pod = name_of(stateful_set), pod_of(stateful_set)
        served, *beside = pod.nodes("containers")
        if bool(beside) != (name in ("coordinator", *REGIONS)):
            yield f"{name}: makes no backups, or is no program that does"
        for backups in beside:
            first = ("--number", "0") if stateful_set["spec"]["replicas"].number > 1 else ()
            yield from _run_beside(name, backups, served, first, ("image", "envFrom", "env", "volumeMounts"))
            if pod.nodes("initContainers")[0]["envFrom"].value != served["envFrom"].value:
                yield f"{name}: the schema is upgraded without the archive"


def _run_beside(
    name: str, backups: Node, served: Node, words: tuple[str, ...], alike: tuple[str, ...]
) -> Iterator[str]:
    program, *_ = served.texts("command")
    command = backups.texts("command")
    if command != (program, "backups", "run", *words):
        yield f"{name}: makes backups by {' '.join(command)}"
    elif (problem := unknown_command(command)) is not None:
        yield f"{name}: {problem}"
    for key in alike:
        if backups[key].value != served[key].value:
            yield f"{name}: its backups have another {key}"


def backups_have_a_disk(deploy: Path) -> Iterator[str]:
    """Copies and drills fill a volume of their own: none that the process which serves needs."""
    for process in [*deployed_compose.processes(deploy), *deployed_kubernetes.processes(deploy)]:
        for key, place in process.variables.items():
            if key.endswith("_SCRATCH") and Path(process.data) in (Path(place), *Path(place).parents):
                yield f"{process.name}: makes backups in its data"
    settings = {name_of(each): each.mapping("data") for each in manifests(deploy, "ConfigMap")}
    for name, service in deployed_compose.services(deploy).items():
        if name.endswith(deployed_compose.BACKUPS):
            place = _scratch(service.mapping("environment"))
            volume = f"{name.removesuffix(deployed_compose.BACKUPS)}{deployed_compose.SCRATCH}:{place}"
            if volume not in service.texts("volumes"):
                yield f"{name}: has no volume for backups at {place}"
    for stateful_set in manifests(deploy, "StatefulSet"):
        pod = pod_of(stateful_set)
        own = {each["name"].text for each in pod.nodes("volumes") if each.get("ephemeral") is not None}
        for container in pod.nodes("containers")[1:]:
            place = _scratch(settings[container.nodes("envFrom")[0]["configMapRef"]["name"].text])
            mounts = {each["mountPath"].text: each["name"].text for each in container.nodes("volumeMounts")}
            if mounts.get(place) not in own:
                yield f"{name_of(stateful_set)}: has no volume for backups at {place}"


def _scratch(variables: Mapping[str, str]) -> str:
    return next((value for key, value in variables.items() if key.endswith("_SCRATCH")), "")


def image_builds(deploy: Path) -> Iterator[str]:
    """The image is of one base without a registry, with hashes, without build tools at the end, and not root's."""
    arguments, stages = deployed_image.stages(deploy)
    base = arguments.get("BASE", "")
    if not _PINNED_BASE.fullmatch(base):
        yield f"{base!r} is not Debian 13 slim, named without a registry and pinned by a digest"
    for stage in stages.values():
        yield from _made_of(stage, stages, deploy)
    for name in _TARGETS:
        if stages[name].only("USER") != "10001:10001":
            yield f"stage {name}: does not run as the user that volumes are handed to"
        if tools := _BUILD_TOOLS.findall(" ".join(stages[name].all("RUN"))):
            yield f"stage {name}: keeps {', '.join(tools)}"
    if list(stages)[-1] != "crossregion":
        yield "another image than the programs' is built where none is named"
    steps = [step for run in stages["build"].all("RUN") for step in run.split("&&")]
    installs = [step for step in steps if _INSTALL.search(step)]
    if not installs or not all("--require-hashes" in step or "--no-index" in step for step in installs):
        yield "packages are installed without the hashes of the lock"
    if (problem := unknown_command(stages["crossregion"].command())) is not None:
        yield f"the image's command: {problem}"
    if f"-m {debian_packages.__name__} > " not in stages["crossregion"].all("RUN")[-1]:
        yield "the image has no bill of the Debian packages that it has at the end"


def _made_of(stage: Stage, stages: Mapping[str, Stage], deploy: Path) -> Iterator[str]:
    if stage.base != "${BASE}" and stage.base not in stages:
        yield f"stage {stage.name}: has a base of its own, {stage.base}"
    for source, taken in stage.copies():
        if source and source not in stages:
            yield f"stage {stage.name}: copies from {source}, which is no stage"
        for path in [] if source else taken:
            # The copy that is looked at is one of deploy/ alone.
            here = deploy / path.removeprefix("deploy/") if path.startswith("deploy/") else ROOT / path
            if not here.exists():
                yield f"stage {stage.name}: copies {path}, which is not there"


def versions(deploy: Path) -> Iterator[str]:
    """Images are named by the project's version, everywhere the same."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    named = [service["image"].text for service in deployed_compose.services(deploy).values()]
    for stateful_set in manifests(deploy, "StatefulSet"):
        named += [container["image"].text for container in containers(pod_of(stateful_set))]
    for image in named:
        name, _, tag = image.removeprefix("crossregion-").partition(":")
        if name not in _TARGETS or tag != version:
            yield f"{image} is no image of version {version}"


def found_by(rule: Rule, deploy: Path) -> list[str]:
    """The findings of a rule; a description without the common parts is wrong too."""
    try:
        return list(rule(deploy))
    except Broken as error:
        return [str(error)]
