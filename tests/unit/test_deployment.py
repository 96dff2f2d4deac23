"""The compose file, the Kubernetes manifests, the systemd units and the image describe one production shape.

Each is checked by itself, with the others, and with the programs. Each check finds its own error in a broken copy.
"""

import os
import shutil
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from deploy.image.runtime_lock import needed, runtime_lock
from tests.engines import ETCD, require_engine
from tests.unit import deployment_agreement as agreement
from tests.unit import deployment_rules as rules
from tests.unit.deployment_network import connections_allowed, networks_connect
from tests.unit.deployment_rules import ROOT, Rule, copy_to, damage, found_by

RULES: tuple[Rule, ...] = (
    rules.compose_schema,
    rules.kubernetes_schema,
    rules.nothing_secret,
    rules.compose_confined,
    rules.pods_confined,
    rules.replicas_disrupted_one_by_one,
    rules.manifests_belong_together,
    rules.units_drain,
    rules.memory_bounded,
    rules.backups_run_as_their_process,
    rules.containers_make_backups,
    rules.backups_have_a_disk,
    rules.image_builds,
    rules.versions,
    agreement.settings_load,
    agreement.commands_exist,
    agreement.the_same_everywhere,
    agreement.as_on_one_machine,
    agreement.names_resolve,
    agreement.ports_agree,
    agreement.databases_are_made,
    agreement.stores_have_their_own_authority,
    connections_allowed,
    networks_connect,
)


@pytest.fixture
def deploy(tmp_path: Path) -> Path:
    """A copy of the descriptions."""
    return copy_to(tmp_path)


@pytest.fixture
def systemd() -> None:
    """systemd's checker: needed in CI, else a reason to skip."""
    if shutil.which("systemd-analyze") is None:
        reason = "systemd-analyze is missing (install the package systemd)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_descriptions_keep_the_rule(rule: Rule, deploy: Path) -> None:
    complaints = found_by(rule, deploy)
    assert not complaints, "\n".join(complaints)


@pytest.mark.usefixtures("systemd")
def test_systemd_accepts_the_units_and_finds_them_little_exposed(deploy: Path) -> None:
    assert not found_by(rules.systemd_accepts, deploy)


def test_the_installed_etcd_knows_each_of_its_variables(deploy: Path) -> None:
    require_engine(ETCD)
    assert not found_by(agreement.etcd_knows_its_variables, deploy)


def test_the_image_gets_what_the_programs_need_and_nothing_else() -> None:
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = needed(project["dependencies"], project["optional-dependencies"])
    locked = runtime_lock(lock, wanted)
    names = {line.partition("==")[0] for line in locked.splitlines() if "==" in line and not line.startswith(" ")}
    assert needed_by(wanted) <= names
    assert {"python-pkcs11", "asn1crypto", "grpcio"} <= names
    assert not names & {"pytest", "mypy", "ruff", "setuptools", "grpcio-tools", "kubernetes-validate"}
    assert all(line in lock for line in locked.splitlines())


def needed_by(requirements: list[str]) -> set[str]:
    """The installed packages of requirements, and their own requirements, by metadata."""
    found: set[str] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        name = requirement.name.lower().replace("_", "-")
        extras = requirement.extras or {""}
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        if name in found and not requirement.extras:
            continue
        found.add(name)
        for text in distribution(name).requires or []:
            inner = Requirement(text)
            if inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in extras):
                inner.marker = None
                waiting.append(inner)
    return found


def test_a_dependency_that_is_not_locked_is_refused() -> None:
    with pytest.raises(ValueError, match="not in the lock: flask"):
        runtime_lock("click==8.0 \\\n    # via crossregion (pyproject.toml)\n", ["click", "flask>=3"])


BROKEN: tuple[tuple[Rule, str, str, str, str], ...] = (
    (rules.compose_schema, "compose.yaml", "restart: unless-stopped", "restarts: always", "restarts"),
    (rules.kubernetes_schema, "kubernetes/sichuan.yaml", "serviceName:", "serviceNaem:", "serviceNaem"),
    (
        rules.nothing_secret,
        "kubernetes/settings.yaml",
        "user=coordinator",
        "user=coordinator password=x",
        "settings.yaml",
    ),
    (rules.nothing_secret, "systemd/henan-0.env", "REGION_NODE_NUMBER=0", "PGPASSWORD=x", "henan-0.env:2"),
    (rules.nothing_secret, "kubernetes/namespace.yaml", "kind: Namespace", "kind: Secret", "crossregion holds secrets"),
    (rules.compose_confined, "compose.yaml", "cap_drop: [ALL]", "cap_drop: [CHOWN]", "keeps capabilities"),
    (rules.compose_confined, "compose.yaml", '"127.0.0.1:7445:7443"', '"7445:7443"', "sichuan-0: is open to other"),
    (rules.memory_bounded, "compose.yaml", "  mem_limit: 2g\n", "", "mem_limit is missing"),
    (rules.memory_bounded, "kubernetes/henan.yaml", "memory: 2Gi", "memory: 1Gi", "henan, region-node: 1Gi"),
    (rules.memory_bounded, "systemd/coordinator@.service", "MemoryMax=2G\n", "", "MemoryMax stands there 0"),
    (rules.pods_confined, "kubernetes/henan.yaml", "livenessProbe:", "livenessProbes:", "livenessProbe is missing"),
    (rules.pods_confined, "kubernetes/henan.yaml", "port: grpc}, periodSeconds: 5", "port: http}", "not there"),
    (rules.pods_confined, "kubernetes/etcd.yaml", "enableServiceLinks: false", "enableServiceLinks: true", "variables"),
    (
        rules.pods_confined,
        "kubernetes/coordinator.yaml",
        "GracePeriodSeconds: 30",
        "GracePeriodSeconds: 20",
        "ends by itself",
    ),
    (
        rules.pods_confined,
        "kubernetes/guangdong.yaml",
        "readOnlyRootFilesystem: true",
        "readOnlyRootFilesystem: false",
        "written",
    ),
    (
        rules.pods_confined,
        "kubernetes/guangdong.yaml",
        "guangdong-federation, defaultMode: 0440",
        "guangdong-federation, defaultMode: 0444",
        "others can read",
    ),
    (
        rules.replicas_disrupted_one_by_one,
        "kubernetes/etcd.yaml",
        "maxUnavailable: 1",
        "maxUnavailable: 2",
        "more than one",
    ),
    (rules.replicas_disrupted_one_by_one, "kubernetes/coordinator.yaml", "replicas: 2", "replicas: 1", "go together"),
    (rules.manifests_belong_together, "kubernetes/kustomization.yaml", "  - network.yaml\n", "", "other files"),
    (
        rules.manifests_belong_together,
        "kubernetes/sichuan.yaml",
        "port: 7443",
        "port: 7444",
        "other ports than its pods",
    ),
    (rules.units_drain, "systemd/coordinator@.service", "Restart=on-failure", "Restart=no", "Service.Restart"),
    (
        rules.backups_run_as_their_process,
        "systemd/region-node-drill@.service",
        "backups drill",
        "backups dril",
        "backups dril",
    ),
    (
        rules.backups_run_as_their_process,
        "systemd/region-node-create@.service",
        "ProtectSystem=strict",
        "ProtectSystem=no",
        "Service.ProtectSystem is another",
    ),
    (
        rules.backups_run_as_their_process,
        "systemd/coordinator-create@.timer",
        "OnCalendar=",
        "OnBootSec=",
        "its timer never starts it",
    ),
    (
        rules.containers_make_backups,
        "compose.yaml",
        "[coordinator, backups, run]",
        "[coordinator, backups, drill]",
        "makes backups by coordinator backups drill",
    ),
    (
        rules.containers_make_backups,
        "kubernetes/coordinator.yaml",
        'run, --number, "0"]',
        "run]",
        "makes backups by coordinator backups run",
    ),
    (
        rules.containers_make_backups,
        "kubernetes/sichuan.yaml",
        "          envFrom: *sources\n          env: *variables\n          resources",
        "          envFrom: []\n          env: *variables\n          resources",
        "its backups have another envFrom",
    ),
    (
        rules.backups_have_a_disk,
        "compose.yaml",
        "REGION_NODE_SCRATCH: /var/lib/crossregion-scratch",
        "REGION_NODE_SCRATCH: /var/lib/crossregion/scratch",
        "makes backups in its data",
    ),
    (
        rules.backups_have_a_disk,
        "compose.yaml",
        "henan-0-scratch:/var/lib/crossregion-scratch",
        "henan-0-scratch:/var/lib/scratch",
        "henan-0-backups: has no volume for backups",
    ),
    (
        rules.backups_have_a_disk,
        "kubernetes/henan.yaml",
        "{name: scratch, mountPath",
        "{name: data, mountPath",
        "henan: has no volume for backups",
    ),
    (
        rules.image_builds,
        "image/Dockerfile",
        "python3 restic \\",
        "python3 restic gcc \\",
        "keeps gcc",
    ),
    (rules.image_builds, "image/Dockerfile", "--require-hashes --requirement", "--requirement", "without the hashes"),
    (rules.image_builds, "image/Dockerfile", "COPY README.md", "COPY README.rst", "README.rst, which is not there"),
    (rules.image_builds, "image/Dockerfile", "BASE=debian", "BASE=registry.example/debian", "without a registry"),
    (rules.image_builds, "image/Dockerfile", "debian:13-slim@sha256:", "debian:13-slim-", "pinned by a digest"),
    (rules.image_builds, "image/Dockerfile", "WORKDIR /source", "WORKDRI /source", "no instruction"),
    (rules.image_builds, "image/Dockerfile", "-m deploy.image.debian_packages", "-m deploy", "no bill of the Debian"),
    (
        rules.versions,
        "kubernetes/etcd.yaml",
        "crossregion-etcd:0.3.0",
        "crossregion-etcd:latest",
        "crossregion-etcd:latest",
    ),
    (agreement.settings_load, "compose.yaml", "COORDINATOR_DATA", "COORDINATOR_DATE", "COORDINATOR_DATE"),
    (
        agreement.settings_load,
        "kubernetes/settings.yaml",
        "REGION_NODE_LISTEN",
        "REGION_NODE_LISTENS",
        "REGION_NODE_LISTENS",
    ),
    (
        agreement.settings_load,
        "systemd/region-node@.service",
        "signing.key",
        "signing.pem",
        "signing.pem is not mounted",
    ),
    (
        agreement.settings_load,
        "compose.yaml",
        "REGION_NODE_FEDERATION_ANCHOR: /etc/crossregion/federation/federation.anchor",
        'REGION_NODE_ALLOW_UNSIGNED_CONFIGURATION: "true"',
        "nobody has signed",
    ),
    (
        agreement.settings_load,
        "compose.yaml",
        "REGION_NODE_OPERATORS: /etc/crossregion/federation/operators.toml",
        'REGION_NODE_ALLOW_UNSCOPED_OPERATORS: "true"',
        "may do everything",
    ),
    (
        agreement.settings_load,
        "systemd/region-node@.service",
        "REGION_NODE_OPERATORS=",
        "REGION_NODE_STAFF_ID=",
        "operators: is missing",
    ),
    (
        agreement.settings_load,
        "kubernetes/coordinator.yaml",
        "$(POD_NAME)/federation.anchor",
        "$(POD_NAME)/other.anchor",
        "other.anchor: No such file",
    ),
    (
        agreement.settings_load,
        "kubernetes/henan.yaml",
        "name: keys, mountPath: /etc/crossregion/keys",
        "name: keys, mountPath: /etc/crossregion/other",
        "region.keys cannot be read",
    ),
    (
        agreement.settings_load,
        "kubernetes/coordinator.yaml",
        "federation/coordinator-1, readOnly",
        "federation/coordinator-2, readOnly",
        "coordinator-1",
    ),
    (agreement.settings_load, "compose.yaml", "/coordinator-1:/etc", "/coordinator-0:/etc", "its certificate is of"),
    (
        agreement.settings_load,
        "kubernetes/henan.yaml",
        "REGION, value: henan",
        "REGION, value: hainan",
        "its certificate is of",
    ),
    (
        agreement.settings_load,
        "kubernetes/sichuan.yaml",
        "mountPath: /var/lib/crossregion",
        "mountPath: /data",
        "are lost with it",
    ),
    (
        agreement.settings_load,
        "kubernetes/sichuan.yaml",
        "mountPath: /var/lib/crossregion}",
        "mountPath: /var/lib/crossregion, readOnly: true}",
        "cannot be written",
    ),
    (
        agreement.settings_load,
        "compose.yaml",
        "guangdong-0:/var/lib/crossregion",
        "guangdong-0:/var/lib/crossregion:ro",
        "cannot be written",
    ),
    (
        agreement.settings_load,
        "systemd/henan-0.env",
        "REGION_NODE_NUMBER=0",
        "REGION_NODE_NUMBER=0\nREGION_NODE_RENEW_CERTIFICATE=false",
        "nothing renews its certificate",
    ),
    (
        agreement.commands_exist,
        "compose.yaml",
        "command: [region-node, serve]",
        "command: [region-node, server]",
        "server",
    ),
    (
        agreement.commands_exist,
        "systemd/coordinator@.service",
        "coordinator serve",
        "coordinator serve --port 1",
        "--port",
    ),
    (
        agreement.commands_exist,
        "kubernetes/henan.yaml",
        "[region-node, migrate]",
        "[region-node, config, show]",
        "does not migrate",
    ),
    (agreement.the_same_everywhere, "systemd/region-node.env", "crossregion.example", "other.example", "federation is"),
    (agreement.the_same_everywhere, "systemd/guangdong-1.env", "NUMBER=1", "NUMBER=2", "guangdong-1: number is '1' in"),
    (
        agreement.the_same_everywhere,
        "systemd/etcd.service.d/crossregion.conf",
        "TLS1.3",
        "TLS1.2",
        "ETCD_TLS_MIN_VERSION",
    ),
    (agreement.as_on_one_machine, "kubernetes/guangdong.yaml", "replicas: 2", "replicas: 3", "Kubernetes has"),
    (agreement.names_resolve, "compose.yaml", "etcd-2:2379\n", "etcd-3:2379\n", "nobody is at etcd-3:2379"),
    (
        agreement.names_resolve,
        "kubernetes/settings.yaml",
        "coordinator-1.coordinator:7000",
        "coordinator-1.coordinator:7001",
        "does not listen",
    ),
    (
        agreement.names_resolve,
        "kubernetes/henan.yaml",
        "$(POD_NAME).henan:",
        "$(POD_NAME):",
        "nobody is at henan-0:7443",
    ),
    (agreement.ports_agree, "image/Dockerfile", "EXPOSE 7000 7443", "EXPOSE 7000", "the image crossregion exposes"),
    (
        agreement.ports_agree,
        "kubernetes/sichuan.yaml",
        "containerPort: 7443",
        "containerPort: 7444",
        "sichuan-0 listens at",
    ),
    (agreement.ports_agree, "compose.yaml", "('127.0.0.1', 7000)", "('127.0.0.1', 7001)", "is asked where nobody"),
    (
        agreement.databases_are_made,
        "compose.yaml",
        "DATABASES: coordinator guangdong",
        "DATABASES: coordinator",
        "makes",
    ),
    (
        agreement.stores_have_their_own_authority,
        "compose.yaml",
        "AUTHORITY: /etc/crossregion/etcd/",
        "AUTHORITY: /etc/crossregion/federation/",
        "COORDINATOR_ETCD__CREDENTIALS__AUTHORITY",
    ),
    (
        connections_allowed,
        "kubernetes/network.yaml",
        "  podSelector: {}\n  policyTypes: [Ingress, Egress]",
        "  podSelector: {}\n  policyTypes: [Egress]",
        "a pod that nothing is said about",
    ),
    (connections_allowed, "kubernetes/network.yaml", "port: 2380", "port: 2381", "needed True, leaves"),
)


@pytest.mark.parametrize(("rule", "file", "right", "wrong", "said"), BROKEN)
def test_the_rule_finds_what_is_broken(rule: Rule, file: str, right: str, wrong: str, said: str, deploy: Path) -> None:
    damage(deploy / file, right, wrong)
    assert any(said in complaint for complaint in found_by(rule, deploy))


@pytest.mark.usefixtures("systemd")
@pytest.mark.parametrize(
    ("file", "right", "wrong", "said"),
    [
        ("region-node@.service", "KillMode=mixed", "KillModus=mixed", "Unknown key 'KillModus'"),
        ("coordinator@.service", "CapabilityBoundingSet=\n", "", "exposure level"),
        ("patroni.service.d/crossregion.conf", "OOMPolicy=", "OomPolicy=", "Unknown key 'OomPolicy'"),
        ("patroni.service.d/crossregion.conf", "CapabilityBoundingSet=\n", "", "exposure level"),
        ("etcd.service.d/crossregion.conf", "Environment=ETCD_NAME", "Environment=ETCD NAME", "Invalid environment"),
    ],
)
def test_systemd_finds_what_is_broken(file: str, right: str, wrong: str, said: str, deploy: Path) -> None:
    damage(deploy / "systemd" / file, right, wrong)
    assert any(said in complaint for complaint in found_by(rules.systemd_accepts, deploy))
