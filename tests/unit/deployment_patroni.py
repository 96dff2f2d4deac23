"""Rules for the members of a PostgreSQL that fails over, on machines and in containers."""

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from deploy.local.patroni import require_program
from deploy.local.postgresql import require_programs
from tests.unit import deployed_compose, deployed_image, deployed_kubernetes
from tests.unit.deployed import Broken, documents
from tests.unit.deployed_kubernetes import labels_of, manifests, name_of, pod_of, served_in

PATRONI = "postgresql/patroni.yaml"
CONTAINER = "image/patroni.yaml"
_STAGE = "patroni"
_DIRECTORY = "/etc/patroni/crossregion/"
_ETCD = re.compile(r"\b(?:guangdong-)?etcd-\d(?:\.[a-z-]+)*:2379")
_LEAST_MEMBERS = 3
_MOST_HUNG_SECONDS = 10


def configuration(deploy: Path) -> dict[str, Path]:
    """The files of the directory that Patroni reads in the image, by their names there. Raises Broken."""
    stage = deployed_image.stages(deploy)[1][_STAGE]
    if stage.command() != ["patroni", _DIRECTORY.rstrip("/")]:
        raise Broken(f"the image {_STAGE}: Patroni is not its first process, or reads elsewhere")
    copied = [line.split() for line in stage.all("COPY") if _DIRECTORY in line]
    return {to.removeprefix(_DIRECTORY): deploy / source.removeprefix("deploy/") for source, to in copied}


def patroni_accepts(deploy: Path) -> Iterator[str]:
    """The installed Patroni accepts the configuration of a member, at addresses of this machine."""
    yield from _accepted(deploy, {Path(PATRONI).name: deploy / PATRONI}, {})


def patroni_accepts_in_containers(deploy: Path) -> Iterator[str]:
    """The installed Patroni accepts the files of the image with the variables of each member."""
    for processes in (deployed_compose.processes(deploy), deployed_kubernetes.processes(deploy)):
        for process in processes:
            if process.program == "patroni":
                yield from _accepted(deploy, configuration(deploy), process.variables)


def _accepted(deploy: Path, kept: Mapping[str, Path], variables: Mapping[str, str]) -> Iterator[str]:
    # It looks for the servers of etcd, and for the programs of PostgreSQL.
    with socket.create_server(("127.0.0.1", 0)) as etcd:
        here = f"127.0.0.1:{etcd.getsockname()[1]}"
        directory = deploy / "checked-patroni"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        for name, path in kept.items():
            text = re.sub(r"bin_dir: \S+", f"bin_dir: {require_programs()}", path.read_text("utf-8"))
            (directory / name).write_text(_ETCD.sub(here, text), "utf-8")
        environment = {name: _ETCD.sub(here, value) for name, value in variables.items()}
        command = [require_program(), "--validate-config", "--ignore-listen-port", str(directory)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    # It says something and fails for what it does not accept.
    yield from (done.stdout + done.stderr).splitlines()
    if done.returncode:
        yield f"Patroni does not accept {', '.join(kept)} with {json.dumps(environment)}"


def members_lose_nothing(deploy: Path) -> Iterator[str]:
    """A member confirms by a standby alone, proves itself everywhere, and yields its lease in time."""
    (member,) = documents(deploy / PATRONI)
    kept = member["bootstrap"]["dcs"]
    expected = (
        (kept["synchronous_mode"], True),
        (kept["synchronous_mode_strict"], True),
        (kept["postgresql"]["parameters"]["wal_log_hints"], "on"),
        (member["watchdog"]["mode"], "required"),
        (member["etcd3"]["protocol"], "https"),
        (member["restapi"]["verify_client"], "required"),
        *((member["postgresql"]["parameters"][name], "on") for name in ("ssl", "fsync", "synchronous_commit")),
        *((each["sslmode"], "verify-full") for _, each in member["postgresql"]["authentication"].items()),
    )
    for node, value in expected:
        if node.value != value:
            yield f"{node.where} is not {value}"
    for part, names in (("etcd3", "cacert cert key"), ("restapi", "cafile certfile keyfile")):
        for name in names.split():
            if not member[part][name].text.startswith("/etc/crossregion/"):
                yield f"{part}.{name} is elsewhere than certificates are"
    for line in member["postgresql"].texts("pg_hba"):
        if not (line.startswith("hostssl ") and line.endswith(" cert clientcert=verify-full")):
            yield f"{PATRONI}: {line!r} lets somebody in without a certificate"
    # Patroni itself would shorten the other times, silently.
    if kept["loop_wait"].number + 2 * kept["retry_timeout"].number > kept["ttl"].number:
        yield f"{PATRONI}: a primary keeps its lease for less than its attempts to renew it take"


def containers_end_with_patroni(deploy: Path) -> Iterator[str]:
    """No server outlives its Patroni: that is the first process, and one that hangs is killed at once."""
    member, container = configuration(deploy).items()
    if (member[1], container[1]) != (deploy / PATRONI, deploy / CONTAINER) or member[0] > container[0]:
        yield "the settings of a container do not follow those of a member"
    (own,) = documents(deploy / CONTAINER)
    if [key for key, _ in own.items()] != ["watchdog", "bootstrap"] or own["watchdog"]["mode"].value != "off":
        yield f"{CONTAINER}: a container has other settings of its own than its watchdog and its database"
    for name, service in deployed_compose.services(deploy).items():
        if service["image"].text.startswith("crossregion-patroni:") and (service.get("command") or service.get("init")):
            yield f"{name}: Patroni is not its first process"
    for stateful_set in manifests(deploy, "StatefulSet"):
        pod = pod_of(stateful_set)
        if served_in(pod)["name"].text == "patroni":
            container_of = served_in(pod)
            if container_of.get("command") or container_of.get("args") or pod.get("shareProcessNamespace"):
                yield f"{name_of(stateful_set)}: Patroni is not its first process"
            probe = container_of["livenessProbe"]
            if probe["exec"].texts("command")[-1] != "liveness":
                yield f"{name_of(stateful_set)}: nobody asks whether Patroni goes on"
            if probe["terminationGracePeriodSeconds"].number > _MOST_HUNG_SECONDS:
                yield f"{name_of(stateful_set)}: a server outlives a Patroni that hangs"


def members_are_apart(deploy: Path) -> Iterator[str]:
    """No machine of Kubernetes has two members, and there are enough of them for a standby after a loss."""
    for stateful_set in manifests(deploy, "StatefulSet"):
        name, pod = name_of(stateful_set), pod_of(stateful_set)
        if served_in(pod)["name"].text == "patroni":
            if stateful_set["spec"]["replicas"].number < _LEAST_MEMBERS:
                yield f"{name}: a single loss leaves no standby"
            apart = pod["affinity"]["podAntiAffinity"].nodes("requiredDuringSchedulingIgnoredDuringExecution")
            if not any(
                each["topologyKey"].text == "kubernetes.io/hostname"
                and each["labelSelector"].mapping("matchLabels").items() <= labels_of(stateful_set).items()
                for each in apart
            ):
                yield f"{name}: one machine may have two members"
