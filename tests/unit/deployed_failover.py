"""The descriptions with the PostgreSQL of guangdong that fails over, merged as Compose and kustomize merge them."""

import json
from pathlib import Path

import yaml

from tests.unit import deployed_compose, deployed_kubernetes
from tests.unit.deployed import Broken, Node, documents

COMPOSE = "compose-failover.yaml"
DIRECTORY = "kubernetes-failover"
_KINDS = frozenset({"ConfigMap", "NetworkPolicy"})
"""The kinds in which a list of a patch takes the place of the former one: no list of theirs has a merge key."""


def apply(deploy: Path) -> None:
    """Puts the merged descriptions in the place of the plain ones. Raises Broken."""
    _apply_compose(deploy)
    _apply_kubernetes(deploy)


def _apply_compose(deploy: Path) -> None:
    path = deploy / deployed_compose.FILE
    merged: object = {}
    for file in (path, deploy / COMPOSE):
        (compose,) = documents(file)
        own = {key: node.value for key, node in compose.items() if not key.startswith("x-")}
        merged = _merged(merged, own, COMPOSE, lists_replaced=False)
    path.write_text(json.dumps(merged), "utf-8")  # which is YAML, too


def _apply_kubernetes(deploy: Path) -> None:
    directory, base = deploy / DIRECTORY, deploy / deployed_kubernetes.DIRECTORY
    (kustomization,) = documents(directory / deployed_kubernetes.KUSTOMIZATION)
    first, *added = kustomization.texts("resources")
    if first != f"../{deployed_kubernetes.DIRECTORY}":
        raise Broken(f"{DIRECTORY}: is on {first}")
    others = {path.name for path in directory.glob("*.yaml")} - {deployed_kubernetes.KUSTOMIZATION}
    if set(added) != others:
        raise Broken(f"{DIRECTORY}: the kustomization lists other files than there are")
    patches = {_place(patch): patch for patch in map(_patch, kustomization.nodes("patches"))}
    for path in base.glob("*.yaml"):
        manifests = [
            _merged(each.value, _taken(patches, each), each.where, lists_replaced=True) for each in documents(path)
        ]
        path.write_text("\n---\n".join(map(json.dumps, manifests)), "utf-8")
    if patches:
        raise Broken(f"{DIRECTORY}: nothing is there to patch: {', '.join(sorted(map(str, patches)))}")
    (plain,) = documents(base / deployed_kubernetes.KUSTOMIZATION)
    resources = [*plain.texts("resources"), *(f"failover-{name}" for name in added)]
    for name in added:
        (base / f"failover-{name}").write_bytes((directory / name).read_bytes())
    merged = _merged(plain.value, {"resources": resources}, plain.where, lists_replaced=True)
    (base / deployed_kubernetes.KUSTOMIZATION).write_text(json.dumps(merged), "utf-8")


def _patch(given: Node) -> Node:
    patch = Node(yaml.safe_load(given["patch"].text), given.where)
    if patch["kind"].text not in _KINDS:
        raise Broken(f"{patch.where}: patches a {patch['kind'].text}, whose lists are merged")
    return patch


def _taken(patches: dict[tuple[str, str], Node], manifest: Node) -> object:
    patch = patches.pop(_place(manifest), None)
    return {} if patch is None else patch.value


def _place(manifest: Node) -> tuple[str, str]:
    metadata = manifest.get("metadata")
    return manifest["kind"].text, "" if metadata is None else metadata["name"].text


def _merged(base: object, over: object, where: str, *, lists_replaced: bool) -> object:
    if isinstance(base, dict) and isinstance(over, dict):
        both = base.keys() & over.keys()
        return (
            base
            | over
            | {key: _merged(base[key], over[key], f"{where}.{key}", lists_replaced=lists_replaced) for key in both}
        )
    if isinstance(over, dict) or (isinstance(base, dict | list) and not (lists_replaced and isinstance(over, list))):
        raise Broken(f"{where}: its merging is not plain")
    return over
