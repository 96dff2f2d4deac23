"""The Kubernetes manifests as processes: one for each replica."""

import re
from collections.abc import Mapping
from pathlib import Path

from tests.unit.deployed import Broken, Mounted, Node, Process, documents

DIRECTORY = "kubernetes"
KUSTOMIZATION = "kustomization.yaml"
BACKUPS = "backups"
"""The container that makes the backups of its pod."""
_VARIABLE = re.compile(r"\$\(([A-Z_]+)\)")


def manifests(deploy: Path, kind: str = "") -> list[Node]:
    """All manifests, or those of a kind."""
    paths = sorted(path for path in (deploy / DIRECTORY).glob("*.yaml") if path.name != KUSTOMIZATION)
    found = [document for path in paths for document in documents(path)]
    return [each for each in found if not kind or each["kind"].text == kind]


def name_of(manifest: Node) -> str:
    """The name of a manifest."""
    return manifest["metadata"]["name"].text


def labels_of(stateful_set: Node) -> dict[str, str]:
    """The labels of the pods that a stateful set makes."""
    return stateful_set["spec"]["template"]["metadata"].mapping("labels")


def pod_of(stateful_set: Node) -> Node:
    """The specification of the pods that a stateful set makes."""
    return stateful_set["spec"]["template"]["spec"]


def containers(pod: Node) -> list[Node]:
    """All containers of a pod, also those that run before the others."""
    return [*pod.nodes("initContainers"), *pod.nodes("containers")]


def served_in(pod: Node) -> Node:
    """The container of a pod that serves. The other one, if there is one, makes its backups."""
    container, *others = pod.nodes("containers")
    if any(other["name"].text != BACKUPS for other in others):
        raise Broken(f"{container.where}: there are other containers beside it")
    return container


def processes(deploy: Path) -> list[Process]:
    """The processes that keep running: each replica of each stateful set."""
    shared = {name_of(each): each.mapping("data") for each in manifests(deploy, "ConfigMap")}
    return [
        _process(each, index, shared)
        for each in manifests(deploy, "StatefulSet")
        for index in range(each["spec"]["replicas"].number)
    ]


def _process(stateful_set: Node, index: int, shared: Mapping[str, Mapping[str, str]]) -> Process:
    pod, service = pod_of(stateful_set), stateful_set["spec"]["serviceName"].text
    pod_name = f"{name_of(stateful_set)}-{index}"
    own = {
        "metadata.name": pod_name,
        "metadata.labels['apps.kubernetes.io/pod-index']": str(index),
    }
    container = served_in(pod)
    before = next(iter(pod.nodes("initContainers")), None)
    claims = [name_of(claim) for claim in stateful_set["spec"].nodes("volumeClaimTemplates")]
    mounts = {mount["name"].text: mount["mountPath"].text for mount in container.nodes("volumeMounts")}
    writable = {mount["name"].text for mount in container.nodes("volumeMounts") if mount.get("readOnly") is None}
    return Process(
        name=pod_name if service != "postgresql" else service,
        command=container.texts("command") or (container["name"].text,),
        variables=_variables(container, shared, own),
        stop_seconds=pod["terminationGracePeriodSeconds"].number,
        ports=frozenset(port["containerPort"].number for port in container.nodes("ports")),
        before=() if before is None else before.texts("command"),
        before_variables={} if before is None else _variables(before, shared, own),
        certificates=_certificates(pod, mounts),
        data=next((mounts[claim] for claim in claims if claim in writable), ""),
        hosts=frozenset({service, f"{pod_name}.{service}"}),
    )


def _variables(container: Node, shared: Mapping[str, Mapping[str, str]], own: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for source in container.nodes("envFrom"):
        name = source["configMapRef"]["name"].text
        if source["configMapRef"].get("optional") is not None:
            continue  # it need not be there, and here it is not
        if name not in shared:
            raise Broken(f"{source.where}: there is no ConfigMap {name}")
        found |= shared[name]
    for variable in container.nodes("env"):
        value = variable.get("value")
        if value is not None:
            text = _VARIABLE.sub(lambda named: found.get(named[1], named[0]), value.text)
        else:
            path = variable["valueFrom"]["fieldRef"]["fieldPath"].text
            if path not in own:
                raise Broken(f"{variable.where}: a pod has no {path}")
            text = own[path]
        found[variable["name"].text] = text
    return found


def _certificates(pod: Node, mounts: Mapping[str, str]) -> dict[str, Mounted]:
    found: dict[str, Mounted] = {}
    for volume in pod.nodes("volumes"):
        if secret := _secret(volume):
            owner, _, kind = secret.rpartition("-")
            found[mounts[volume["name"].text]] = Mounted(owner or kind, kind)
    return found


def _secret(volume: Node) -> str:
    """The first Secret of a volume; empty for one that is none, or need not be there."""
    secret, projected = volume.get("secret"), volume.get("projected")
    if projected is not None:
        return projected.nodes("sources")[0]["secret"]["name"].text
    return "" if secret is None or secret.get("optional") is not None else secret["secretName"].text
