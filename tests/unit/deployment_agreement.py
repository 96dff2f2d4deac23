"""Rules for the descriptions of the production shape together, and with the programs."""

import functools
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from psycopg.conninfo import conninfo_to_dict

from coordinator.settings import CoordinatorSettings
from deploy.demo.world import REGIONS
from deploy.local.administrator import LocalAdministrator
from deploy.local.certificates import StoreAuthority
from deploy.local.profiles import PRODUCTION, Engine
from gateway.api.types.v1.access_pb2 import Role
from gateway.process.running import STOP_SECONDS
from gateway.security.authority import Authority
from gateway.security.identity import Identity
from gateway.security.region_keys import REGION_KEYS, KeySet, RegionKeysUnusable
from gateway.security.tls import CredentialsUnusable, RenewedCredentials
from gateway.settings import Page, SettingsError, Sources, load_page
from gateway.settings.showing import shown
from region_node.node.operator_scopes import NAMED, ScopeFile, ScopesUnusable
from region_node.node.settings import RegionSettings
from tests.unit import deployed_compose, deployed_image, deployed_kubernetes, deployed_systemd
from tests.unit.deployed import KINDS, Mounted, Process, serving
from tests.unit.deployment_rules import ROOT, unknown_command

Settings = CoordinatorSettings | RegionSettings

_READERS = {
    "compose": deployed_compose.processes,
    "Kubernetes": deployed_kubernetes.processes,
    "systemd": deployed_systemd.processes,
}
_PREFIXES = {"coordinator": "COORDINATOR_", "region-node": "REGION_NODE_"}
_KINDS: Mapping[str, type[Settings]] = {"coordinator": CoordinatorSettings, "region-node": RegionSettings}
_FEDERATION = "crossregion.example"
_SCOPES = ROOT / "deploy" / "operators.toml"
_NUMBERED = re.compile(r"(.+)-([0-9]+)")
_OF_CONTAINERS = frozenset({"scratch"})  # machines share their disk between data and backups
_OF_SERVERS = {"postgresql": {5432}, "patroni": {5432, 8008}}
_FILES_OF_CONNINFO = ("sslrootcert", "sslcert", "sslkey")


def port_of(address: str) -> int:
    """The port of a `host:port`."""
    return int(address.rpartition(":")[2])


def descriptions(deploy: Path) -> dict[str, dict[str, Process]]:
    """The processes by name, by description."""
    return {name: {process.name: process for process in read(deploy)} for name, read in _READERS.items()}


def page_of(process: Process, root: Path | None = None) -> Page[Settings]:
    """The settings that `serve` would run with; with `root`, certificates below it. Raises SettingsError."""
    prefix = _PREFIXES[process.program]
    environment = dict(process.variables)
    if root is not None:
        environment = {name: value.replace("/etc/", f"{root}/etc/") for name, value in environment.items()}
    return load_page(_KINDS[process.program], Sources(prefix=prefix, environment=environment))


@functools.cache
def _authority() -> Authority:
    now = datetime.now(UTC)
    return Authority.create(_FEDERATION, now - timedelta(hours=1), now + timedelta(days=2))


@functools.cache
def _store_authority(kind: str) -> StoreAuthority:
    return StoreAuthority(kind)


def _identity(owner: str) -> Identity:
    numbered = _NUMBERED.fullmatch(owner)
    name, number = (numbered[1], numbered[2]) if numbered is not None else (owner, "")
    if name == "coordinator":
        return Identity(_FEDERATION, Role.ROLE_COORDINATOR, "", number)
    return Identity(_FEDERATION, Role.ROLE_REGION, name, "")


def lay_down(certificates: Mapping[str, Mounted], root: Path) -> None:
    """Makes up the files that a process finds in the directories that are mounted."""
    now = datetime.now(UTC)
    for directory, mounted in certificates.items():
        place = root / directory.lstrip("/")
        if mounted.kind == "federation":
            _authority().issue(_identity(mounted.owner), now - timedelta(minutes=1), now + timedelta(days=1)).write(
                place
            )
            LocalAdministrator(place, _FEDERATION).prepare()
            shutil.copyfile(_SCOPES, place / _SCOPES.name)
        elif mounted.kind == "keys":
            place.mkdir(parents=True, exist_ok=True)
            KeySet.new().save(place / REGION_KEYS)
        else:
            authority = _store_authority(mounted.kind)
            authority.write(authority.issue_client(_NUMBERED.sub(r"\1", mounted.owner)), place)


def settings_load(deploy: Path) -> Iterator[str]:
    """Each process has the settings that `serve` accepts, and their files are mounted and fit."""
    for description, processes in descriptions(deploy).items():
        for process in serving(list(processes.values())):
            root = deploy / "mounted" / description / process.name
            lay_down(process.certificates, root)
            try:
                settings = page_of(process, root).settings
                problems = list(_misfits(process, settings))
            except (SettingsError, CredentialsUnusable, RegionKeysUnusable, ScopesUnusable) as error:
                problems = [str(error)]
            yield from (f"{description}: {process.name}: {problem}" for problem in problems)


def _misfits_of_region(settings: RegionSettings) -> Iterator[str]:
    for path in (settings.signing.certificate, settings.signing.key):
        if not path.is_file():
            yield f"{path.name} is not mounted"
    KeySet.load(settings.keys)
    if settings.operators is None:
        yield "its operator systems may do everything"
    elif any(each.staff == NAMED for each in ScopeFile.load(settings.operators).scopes.values()):
        yield "it believes operator systems about their staff"


def _misfits(process: Process, settings: Settings) -> Iterator[str]:
    now = datetime.now(UTC)
    settings.credentials.load(now)
    if settings.anchor() is None:
        yield "it takes configurations that nobody has signed"
    (certificate,) = x509.load_pem_x509_certificates(settings.credentials.certificate.read_bytes())
    uris = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    (uri,) = uris.get_values_for_type(x509.UniformResourceIdentifier)
    if uri != _expected(settings).uri:
        yield f"its certificate is of {uri}"
    if not isinstance(settings.own_credentials, RenewedCredentials):
        yield "nothing renews its certificate"
    if isinstance(settings, RegionSettings):
        yield from _misfits_of_region(settings)
    elif settings.etcd is not None:
        settings.etcd.credentials.load(now)
    if settings.postgresql is not None:
        told = conninfo_to_dict(settings.postgresql.conninfo)
        # The server lets a role in by its certificate alone, and into the database of its name.
        if told["dbname"] != told["user"] or told.get("sslmode") != "verify-full" or "password" in told:
            yield "PostgreSQL lets nobody in like this"
        for key in _FILES_OF_CONNINFO:
            if not Path(str(told[key])).is_file():
                yield f"{key} is not mounted"
    if str(settings.data) != process.data:
        yield f"its data, in {settings.data}, are lost with it, or cannot be written"


def _expected(settings: Settings) -> Identity:
    if isinstance(settings, RegionSettings):
        return Identity(settings.federation, Role.ROLE_REGION, settings.region, "")
    return Identity(settings.federation, Role.ROLE_COORDINATOR, "", str(settings.number))


def commands_exist(deploy: Path) -> Iterator[str]:
    """Every command exists in the programs, and the schema is upgraded by the same settings before."""
    for description, processes in descriptions(deploy).items():
        for process in serving(list(processes.values())):
            for command in (process.command, process.before):
                if (problem := unknown_command(command)) is not None:
                    yield f"{description}: {process.name}: {' '.join(command)}: {problem}"
            if process.command[1:] != ("serve",) or process.before != (process.program, "migrate"):
                yield f"{description}: {process.name}: does not migrate and then serve"
            if process.stop_seconds <= STOP_SECONDS:
                yield f"{description}: {process.name}: is killed before it ends by itself"
            if _database(process.variables) != _database(process.before_variables):
                yield f"{description}: {process.name}: another database is migrated"


def _database(variables: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in sorted(variables.items()) if name.endswith(("DATA", "CONNINFO"))]


def the_same_everywhere(deploy: Path) -> Iterator[str]:
    """The same processes, with the same commands, settings and ports, in compose, Kubernetes and systemd."""
    yield from _the_same(descriptions(deploy))


def the_same_in_containers(deploy: Path) -> Iterator[str]:
    """The same processes, with the same commands, settings and ports, in compose and Kubernetes."""
    found = descriptions(deploy)
    yield from _the_same({name: found[name] for name in ("compose", "Kubernetes")})


def _the_same(found: Mapping[str, Mapping[str, Process]]) -> Iterator[str]:
    facts = {
        description: {name: _facts(process) for name, process in processes.items() if name != "postgresql"}
        for description, processes in found.items()
    }
    first, *others = facts
    for other in others:
        if facts[other].keys() != facts[first].keys():
            yield f"{other} has {sorted(facts[other])}, {first} {sorted(facts[first])}"
        for name in facts[first].keys() & facts[other].keys():
            here, there = facts[first][name], facts[other][name]
            for key in sorted(here.keys() | there.keys()):
                if here.get(key) != there.get(key):
                    yield f"{name}: {key} is {here.get(key)!r} in {first}, {there.get(key)!r} in {other}"


def _facts(process: Process) -> dict[str, str]:
    found = {"command": " ".join(process.command), "before": " ".join(process.before)}
    if process.program in _PREFIXES:
        try:
            settings = shown(page_of(process))
        except SettingsError as error:
            return {"settings": str(error)}
        return found | {each.key: process.common(each.text) for each in settings if each.key not in _OF_CONTAINERS}
    return found | {
        name: process.common(value)
        for name, value in process.variables.items()
        if name.startswith(("ETCD_", "PATRONI_", "DATABASES"))
    }


def as_on_one_machine(deploy: Path) -> Iterator[str]:
    """The processes are those of the profile `production` of deploy/local."""
    expected = [*(f"coordinator-{index}" for index in range(PRODUCTION.coordinators.processes))]
    expected += [f"etcd-{index}" for index in range(PRODUCTION.etcd_members)]
    engines = [PRODUCTION.coordinators.engine]
    for region in REGIONS:
        placement = PRODUCTION.placement(region)
        engines.append(placement.engine)
        expected += [f"{region}-{index}" for index in range(placement.processes)]
    if Engine.POSTGRESQL in engines:
        expected.append("postgresql")
    for description, processes in descriptions(deploy).items():
        # On machines PostgreSQL is run by Debian's own unit, which is not described here.
        missing = set() if description != "systemd" else {"postgresql"}
        if sorted(processes) != sorted({*expected} - missing):
            yield f"{description} has {sorted(processes)}, the profile {sorted(expected)}"
        for process in serving(list(processes.values())):
            placement = PRODUCTION.coordinators
            if process.program == "region-node":
                placement = PRODUCTION.placement(_NUMBERED.sub(r"\1", process.name))
            named = any(name.endswith("POSTGRESQL__CONNINFO") for name in process.variables)
            if named != (placement.engine is Engine.POSTGRESQL):
                yield f"{description}: {process.name} is not on {placement.engine.value}"


def names_resolve(deploy: Path) -> Iterator[str]:
    """Each dialled address is a process of the same description, under one of its names and its port."""
    for description, processes in descriptions(deploy).items():
        hosts = {host: process for process in processes.values() for host in process.hosts}
        if description == "systemd":
            hosts["postgresql.example.net"] = Process("postgresql", ("postgresql",), {}, 0)
        for caller in processes.values():
            for address in [*dialled(caller), *own_addresses(caller)]:
                callee = hosts.get(address.rpartition(":")[0])
                if callee is None:
                    yield f"{description}: {caller.name}: nobody is at {address}"
                elif port_of(address) not in listened(callee):
                    yield f"{description}: {caller.name}: {callee.name} does not listen at {address}"
            for address in own_addresses(caller):
                if hosts.get(address.rpartition(":")[0]) is not caller:
                    yield f"{description}: {caller.name}: says to be at {address}"


def dialled(process: Process) -> list[str]:
    """The addresses, `host:port`, that a process dials."""
    found: list[str] = []
    for name, value in process.variables.items():
        if name.endswith(("_COORDINATORS", "_ENDPOINTS", "_ETCD3_HOSTS")) and not name.startswith("ETCDCTL_"):
            found += value.split(",")
        elif name.endswith("_CONNINFO"):
            told = conninfo_to_dict(value)
            found += [f"{host}:{told.get('port', 5432)}" for host in str(told["host"]).split(",")]
        elif name == "ETCD_INITIAL_CLUSTER":
            found += [member.partition("://")[2] for member in value.split(",")]
    return found


def own_addresses(process: Process) -> list[str]:
    """The own addresses in a process's settings."""
    names = ("_ADVERTISE", "_ADVERTISE_CLIENT_URLS", "_INITIAL_ADVERTISE_PEER_URLS", "_CONNECT_ADDRESS")
    return [value.removeprefix("https://") for name, value in process.variables.items() if name.endswith(names)]


def listened(process: Process) -> set[int]:
    """The ports where a process listens by its settings."""
    if process.program in _OF_SERVERS:
        return _OF_SERVERS[process.program]
    names = ("_LISTEN", "_LISTEN_CLIENT_URLS", "_LISTEN_PEER_URLS")
    return {port_of(value) for name, value in process.variables.items() if name.endswith(names)}


def ports_agree(deploy: Path) -> Iterator[str]:
    """Ports are declared where a process listens, by the image and by the manifests, and nowhere else."""
    _, stages = deployed_image.stages(deploy)
    exposed: dict[str, set[int]] = defaultdict(set)
    for description, processes in descriptions(deploy).items():
        for process in processes.values():
            listens = listened(process)
            exposed["crossregion" if process.program in _PREFIXES else process.program] |= listens
            if description == "Kubernetes" and process.ports != listens:
                yield f"{process.name} listens at {sorted(listens)}, the manifest says {sorted(process.ports)}"
    for name, ports in exposed.items():
        if stages[name].ports() != ports:
            yield f"the image {name} exposes {sorted(stages[name].ports())}, not {sorted(ports)}"
    yield from _asked_where_they_listen(deploy)


def _asked_where_they_listen(deploy: Path) -> Iterator[str]:
    processes = {process.name: process for process in deployed_compose.processes(deploy)}
    services = deployed_compose.services(deploy)
    for name, process in processes.items():
        for published in services[name].texts("ports"):
            if port_of(published) not in listened(process):
                yield f"compose: {name}: nobody listens at the published {published}"
        asked = re.findall(r"'127\.0\.0\.1', ([0-9]+)", " ".join(services[name]["healthcheck"].texts("test")))
        if not {int(port) for port in asked} <= listened(process):
            yield f"compose: {name}: is asked where nobody listens"


def databases_are_made(deploy: Path) -> Iterator[str]:
    """Each server of PostgreSQL makes the databases that are connected to there, and no other."""
    for description, processes in descriptions(deploy).items():
        told = [
            conninfo_to_dict(value)
            for process in processes.values()
            for name, value in process.variables.items()
            if "CONNINFO" in name
        ]
        for server in processes.values():
            if server.program in _OF_SERVERS:
                wanted = {each["dbname"] for each in told if server.hosts & set(str(each["host"]).split(","))}
                if set(server.variables["DATABASES"].split()) != wanted:
                    yield f"{description}: {server.name} makes {server.variables['DATABASES']}"


def etcd_knows_its_variables(deploy: Path) -> Iterator[str]:
    """Every variable of etcd is a flag of the server that is installed."""
    etcd = shutil.which("etcd")
    assert etcd is not None
    said = subprocess.run([etcd, "--help"], capture_output=True, text=True, check=False)
    flags = set(re.findall(r"^\s+--([a-z0-9-]+)", said.stdout + said.stderr, re.MULTILINE))
    for description, processes in descriptions(deploy).items():
        for process in processes.values():
            for name in process.variables:
                flag = name.removeprefix("ETCD_").replace("_", "-").lower()
                if name.startswith("ETCD_") and flag not in flags:
                    yield f"{description}: {process.name}: etcd has no {flag}"


def stores_have_their_own_authority(deploy: Path) -> Iterator[str]:
    """The certificates of etcd and PostgreSQL are mounted from elsewhere than the federation's."""
    for description, processes in descriptions(deploy).items():
        for process in processes.values():
            kinds = [mounted.kind for mounted in process.certificates.values()]
            if not set(kinds) <= set(KINDS):
                yield f"{description}: {process.name}: mounts certificates of {sorted(kinds)}"
            for name, value in process.variables.items():
                kind = next((each for each in ("ETCD", "POSTGRESQL") if f"_{each}__" in name), "")
                if kind and "/federation/" in value:
                    yield f"{description}: {process.name}: {name} is of the federation's authority"
