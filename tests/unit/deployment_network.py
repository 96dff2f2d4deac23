"""The network policies, asked who reaches whom."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.unit import deployed_compose, deployed_kubernetes
from tests.unit.deployed import Node, Process
from tests.unit.deployed_kubernetes import labels_of, manifests, name_of
from tests.unit.deployment_agreement import dialled, listened, own_addresses, port_of

Labels = dict[str, str]

_LEARNT = {("coordinator", "region-node"), ("patroni", "patroni")}


def connections_allowed(deploy: Path) -> Iterator[str]:
    """Each connection that the processes need may leave and arrive, and no other may."""
    pods = {name_of(stateful_set): labels_of(stateful_set) for stateful_set in manifests(deploy, "StatefulSet")}
    processes = deployed_kubernetes.processes(deploy)
    labels = {process.name: pods[re.sub("-[0-9]+$", "", process.name)] for process in processes}
    needed = set(_needed(processes))
    ports = {port for process in processes for port in listened(process)}
    policies = manifests(deploy, "NetworkPolicy")
    for port in sorted(ports):
        if _allowed(policies, "Egress", {}, {}, port) or _allowed(policies, "Ingress", {}, {}, port):
            yield f"a pod that nothing is said about may have connections at {port}"
    for caller in processes:
        for callee in processes:
            for port in sorted(ports):
                here, there = labels[caller.name], labels[callee.name]
                leaves = _allowed(policies, "Egress", here, there, port)
                arrives = _allowed(policies, "Ingress", there, here, port)
                wanted = (caller.name, callee.name, port) in needed
                if caller is not callee and (leaves, arrives) != (wanted, wanted):
                    yield f"{caller.name} to {callee.name}:{port}: needed {wanted}, leaves {leaves}, arrives {arrives}"


def networks_connect(deploy: Path) -> Iterator[str]:
    """In Compose, each needed connection has a network, and only Patroni reaches the etcd of a region."""
    processes = deployed_compose.processes(deploy)
    services = deployed_compose.services(deploy)
    networks = {process.name: set(services[process.name].texts("networks")) for process in processes}
    for caller, callee, port in _needed(processes):
        if not networks[caller] & networks[callee]:
            yield f"{caller} has no network with {callee}:{port}"
    for process in processes:
        if process.program not in {"etcd", "patroni"} and "guangdong-etcd" in networks[process.name]:
            yield f"{process.name}: reaches the etcd of Patroni"


def _needed(processes: list[Process]) -> Iterator[tuple[str, str, int]]:
    """Caller, callee and port: what the settings name, and nodes and members, of which their callers learn."""
    hosts = {host: process.name for process in processes for host in process.hosts}
    for caller in processes:
        for address in dialled(caller):
            yield caller.name, hosts.get(address.rpartition(":")[0], address), port_of(address)
        for callee in processes:
            if (caller.program, callee.program) in _LEARNT:
                for address in own_addresses(callee):
                    yield caller.name, callee.name, port_of(address)


def _allowed(policies: list[Node], direction: str, pod: Labels, other: Labels, port: int) -> bool:
    """Whether a pod may have a connection with another one; one that no policy selects may have any."""
    selecting = [
        policy["spec"]
        for policy in policies
        if direction in policy["spec"].texts("policyTypes") and _selects(policy["spec"]["podSelector"], pod)
    ]
    if not selecting:
        return True
    peers = "from" if direction == "Ingress" else "to"
    return any(
        _rule_allows(rule, peers, other, port)
        for specification in selecting
        for rule in specification.nodes(direction.lower())
    )


def _rule_allows(rule: Node, peers: str, other: Labels, port: int) -> bool:
    ports = [allowed["port"].number for allowed in rule.nodes("ports")]
    # Pods of other namespaces are none of ours.
    ours = [peer for peer in rule.nodes(peers) if peer.get("namespaceSelector") is None]
    reaches = not rule.nodes(peers) or any(_selects(peer["podSelector"], other) for peer in ours)
    return reaches and (not ports or port in ports)


def _selects(selector: Node, labels: Labels) -> bool:
    return selector.mapping("matchLabels").items() <= labels.items()
