"""The descriptions with a PostgreSQL that fails over keep the rules of the plain ones, and those of its members.

Each check finds its own error in a broken copy.
"""

from pathlib import Path

import pytest

from tests.engines import PATRONI, POSTGRESQL, require_engine
from tests.unit import deployed_failover
from tests.unit import deployment_agreement as agreement
from tests.unit import deployment_patroni as members
from tests.unit import deployment_rules as rules
from tests.unit.deployed import Broken
from tests.unit.deployed_failover import COMPOSE, DIRECTORY
from tests.unit.deployment_network import connections_allowed, networks_connect
from tests.unit.deployment_rules import Rule, copy_to, damage, found_by

RULES: tuple[Rule, ...] = (
    rules.compose_schema,
    rules.kubernetes_schema,
    rules.nothing_secret,
    rules.compose_confined,
    rules.pods_confined,
    rules.memory_bounded,
    rules.replicas_disrupted_one_by_one,
    rules.manifests_belong_together,
    rules.containers_make_backups,
    rules.backups_have_a_disk,
    rules.versions,
    members.members_lose_nothing,
    members.containers_end_with_patroni,
    members.members_are_apart,
    agreement.settings_load,
    agreement.commands_exist,
    agreement.the_same_in_containers,
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


def found_in_merged(rule: Rule, deploy: Path) -> list[str]:
    """The findings of a rule in the merged descriptions."""
    try:
        deployed_failover.apply(deploy)
    except Broken as error:
        return [str(error)]
    return found_by(rule, deploy)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_merged_descriptions_keep_the_rule(rule: Rule, deploy: Path) -> None:
    complaints = found_in_merged(rule, deploy)
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def patroni_program() -> None:
    """Patroni's checker and the programs of PostgreSQL: needed in CI, else a reason to skip."""
    require_engine(POSTGRESQL)
    require_engine(PATRONI)


@pytest.mark.usefixtures("patroni_program")
@pytest.mark.parametrize("rule", [members.patroni_accepts, members.patroni_accepts_in_containers])
def test_the_installed_patroni_accepts_the_configuration_of_each_member(rule: Rule, deploy: Path) -> None:
    assert not found_in_merged(rule, deploy)


@pytest.mark.usefixtures("patroni_program")
@pytest.mark.parametrize(
    ("rule", "file", "right", "wrong", "said"),
    [
        (members.patroni_accepts, members.PATRONI, "ttl: 30", "ttl: soon", "bootstrap.dcs.ttl soon"),
        (members.patroni_accepts_in_containers, members.CONTAINER, 'mode: "off"', "mode: never", "watchdog.mode never"),
        (
            members.patroni_accepts_in_containers,
            COMPOSE,
            "POSTGRESQL_CONNECT_ADDRESS: guangdong-patroni-1:5432",
            "POSTGRESQL_CONNECT_ADDRESS: 127.0.0.1:5432",
            "postgresql.connect_address",
        ),
    ],
)
def test_the_installed_patroni_finds_what_is_broken(
    rule: Rule, file: str, right: str, wrong: str, said: str, deploy: Path
) -> None:
    damage(deploy / file, right, wrong)
    assert any(said in complaint for complaint in found_in_merged(rule, deploy))


BROKEN: tuple[tuple[Rule, str, str, str, str], ...] = (
    (
        members.members_lose_nothing,
        members.PATRONI,
        "synchronous_mode_strict: true",
        "synchronous_mode_strict: false",
        "synchronous_mode_strict is not True",
    ),
    (
        members.members_lose_nothing,
        members.PATRONI,
        "mode: required",
        "mode: automatic",
        "watchdog.mode is not required",
    ),
    (members.members_lose_nothing, members.PATRONI, "protocol: https", "protocol: http", "protocol is not https"),
    (members.members_lose_nothing, members.PATRONI, "hostssl sameuser", "host sameuser", "without a certificate"),
    (members.members_lose_nothing, members.PATRONI, "  cert: /etc/crossregion/etcd/tls.crt\n", "", "cert is missing"),
    (members.members_lose_nothing, members.PATRONI, "ttl: 30", "ttl: 20", "keeps its lease"),
    (
        members.containers_end_with_patroni,
        "image/Dockerfile",
        'CMD ["patroni", "/etc/patroni/crossregion"]',
        'CMD ["sh", "-c", "patroni /etc/patroni/crossregion"]',
        "not its first process",
    ),
    (
        members.containers_end_with_patroni,
        "image/Dockerfile",
        "crossregion/20-container.yaml",
        "crossregion/05-container.yaml",
        "do not follow",
    ),
    (members.containers_end_with_patroni, members.CONTAINER, '"off"', "automatic", "other settings"),
    (members.containers_end_with_patroni, COMPOSE, "shm_size: 256m", "init: true", "not its first process"),
    (
        members.containers_end_with_patroni,
        f"{DIRECTORY}/patroni.yaml",
        "automountServiceAccountToken: false",
        "automountServiceAccountToken: false\n      shareProcessNamespace: true",
        "not its first process",
    ),
    (
        members.containers_end_with_patroni,
        f"{DIRECTORY}/patroni.yaml",
        "terminationGracePeriodSeconds: 5",
        "terminationGracePeriodSeconds: 300",
        "a server outlives",
    ),
    (
        members.containers_end_with_patroni,
        f"{DIRECTORY}/patroni.yaml",
        "exec: {command: *live}\n            timeoutSeconds: 5\n            failureThreshold: 3",
        "exec: {command: [pg_isready]}\n            failureThreshold: 3",
        "whether Patroni goes on",
    ),
    (
        members.members_are_apart,
        f"{DIRECTORY}/patroni.yaml",
        "topologyKey: kubernetes.io/hostname",
        "topologyKey: topology.kubernetes.io/region",
        "two members",
    ),
    (members.members_are_apart, f"{DIRECTORY}/patroni.yaml", "replicas: 3", "replicas: 2", "leaves no standby"),
    (
        rules.pods_confined,
        f"{DIRECTORY}/patroni.yaml",
        "            defaultMode: 0440",
        "            defaultMode: 0444",
        "others can read postgresql",
    ),
    (
        rules.replicas_disrupted_one_by_one,
        f"{DIRECTORY}/patroni.yaml",
        "maxUnavailable: 1",
        "maxUnavailable: 2",
        "more than one",
    ),
    (rules.compose_confined, COMPOSE, "read_only: true", "read_only: false", "guangdong-patroni-0: its root"),
    (
        rules.compose_confined,
        COMPOSE,
        "networks: [postgresql, guangdong-etcd]",
        'networks: [postgresql, guangdong-etcd]\n  ports: ["5432:5432"]',
        "is open to other machines",
    ),
    (
        agreement.the_same_in_containers,
        COMPOSE,
        'ETCD_ENABLE_GRPC_GATEWAY: "true"',
        'ETCD_ENABLE_GRPC_GATEWAY: "false"',
        "ETCD_ENABLE_GRPC_GATEWAY",
    ),
    (
        agreement.the_same_in_containers,
        f"{DIRECTORY}/kustomization.yaml",
        "guangdong-patroni-0.guangdong-patroni,",
        "",
        "guangdong-0: postgresql.conninfo is",
    ),
    (agreement.names_resolve, COMPOSE, "guangdong-etcd-2:2379\n", "guangdong-etcd-3:2379\n", "nobody is at"),
    (
        agreement.databases_are_made,
        COMPOSE,
        "DATABASES: guangdong",
        "DATABASES: guangdong sichuan",
        "guangdong-patroni-0 makes",
    ),
    (agreement.databases_are_made, COMPOSE, "DATABASES: coordinator", "DATABASES: henan", "postgresql makes henan"),
    (agreement.ports_agree, "image/Dockerfile", "EXPOSE 5432 8008", "EXPOSE 5432", "the image patroni exposes"),
    (connections_allowed, f"{DIRECTORY}/network.yaml", "port: 2379", "port: 2378", "needed True"),
    (
        connections_allowed,
        f"{DIRECTORY}/network.yaml",
        "matchLabels: {app.kubernetes.io/instance: guangdong}",
        "matchLabels: {app.kubernetes.io/part-of: crossregion}",
        "needed False",
    ),
    (networks_connect, COMPOSE, "networks: [postgresql, guangdong-etcd]", "networks: [postgresql]", "has no network"),
    (rules.manifests_belong_together, f"{DIRECTORY}/kustomization.yaml", "  - network.yaml\n", "", "other files"),
    (
        rules.kubernetes_schema,
        f"{DIRECTORY}/kustomization.yaml",
        "metadata: {name: guangdong, namespace: crossregion}\n      data:",
        "metadata: {name: hainan, namespace: crossregion}\n      data:",
        "nothing is there to patch",
    ),
    (
        rules.compose_schema,
        COMPOSE,
        "guangdong-1: {environment: *guangdong-variables}",
        "guangdong-1: {environment: *guangdong-variables, networks: [postgresql]}",
        "its merging is not plain",
    ),
)


@pytest.mark.parametrize(("rule", "file", "right", "wrong", "said"), BROKEN)
def test_the_rule_finds_what_is_broken(rule: Rule, file: str, right: str, wrong: str, said: str, deploy: Path) -> None:
    damage(deploy / file, right, wrong)
    assert any(said in complaint for complaint in found_in_merged(rule, deploy))
