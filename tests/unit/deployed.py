"""The processes in a description of the production shape, in any format, with their settings."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

KINDS = ("federation", "etcd", "postgresql", "keys")
"""The authority of a certificate; `keys` is the directory of a region's keys for stored data."""
_HOST = re.compile(r"\b((?:[a-z]+-[0-9]|postgresql))(?:\.[a-z0-9-]+)+")


class Broken(Exception):
    """A description lacks what it must have; the text says where and what."""


@dataclass(frozen=True)
class Node:
    """A place in a YAML file."""

    value: object
    where: str

    def __getitem__(self, key: str) -> "Node":
        found = self.get(key)
        if found is None:
            raise Broken(f"{self.where}: {key} is missing")
        return found

    def get(self, key: str) -> "Node | None":
        """The node below a key; None for a missing key or an empty one."""
        value = self._mapping().get(key)
        return None if value is None else Node(value, f"{self.where}.{key}")

    def items(self) -> list[tuple[str, "Node"]]:
        """Keys and what is below them."""
        return [(str(key), Node(value, f"{self.where}.{key}")) for key, value in self._mapping().items()]

    def nodes(self, key: str) -> list["Node"]:
        """The elements of the list below a key; none where there is no such key."""
        found = self.get(key)
        if found is None:
            return []
        if not isinstance(found.value, list):
            raise Broken(f"{found.where}: is no list")
        return [Node(value, f"{found.where}[{index}]") for index, value in enumerate(found.value)]

    def texts(self, key: str) -> tuple[str, ...]:
        """The texts of the list below a key."""
        return tuple(node.text for node in self.nodes(key))

    def mapping(self, key: str) -> dict[str, str]:
        """The texts below a key, by their own keys; none where there is no such key."""
        found = self.get(key)
        return {} if found is None else {name: node.text for name, node in found.items()}

    @property
    def text(self) -> str:
        """The value, which is a text or a number."""
        if isinstance(self.value, bool) or not isinstance(self.value, str | int):
            raise Broken(f"{self.where}: {self.value!r} is no text")
        return str(self.value)

    @property
    def number(self) -> int:
        """The value, which is a whole number."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise Broken(f"{self.where}: {self.value!r} is no whole number")
        return self.value

    def _mapping(self) -> dict[object, object]:
        if not isinstance(self.value, dict):
            raise Broken(f"{self.where}: has no keys")
        return self.value


def documents(path: Path) -> list[Node]:
    """The documents of a YAML file."""
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    return [Node(value, path.name) for value in yaml.load_all(path.read_text("utf-8"), loader)]


@dataclass(frozen=True)
class Mounted:
    """A directory of certificates: whose they are, for example `coordinator-0` or `guangdong`, and of which kind."""

    owner: str
    kind: str


@dataclass(frozen=True)
class Process:
    """A process that keeps running."""

    name: str
    command: tuple[str, ...]
    variables: Mapping[str, str]
    stop_seconds: float
    """How long it may take to stop before it is killed."""
    ports: frozenset[int] = frozenset()
    """The ports at which others reach it, where the description has them apart from the settings."""
    before: tuple[str, ...] = ()
    """The command that must have ended well before this one starts."""
    before_variables: Mapping[str, str] = field(default_factory=dict)
    certificates: Mapping[str, Mounted] = field(default_factory=dict)
    """By directory."""
    data: str = ""
    """The one directory that outlives the process and that it may write to."""
    hosts: frozenset[str] = frozenset()
    """The names by which others find it."""

    @property
    def program(self) -> str:
        """`coordinator`, `region-node`, `etcd`, `patroni` or `postgresql`."""
        return self.command[0]

    def common(self, text: str) -> str:
        """A value without what each description has its own way for: directories, and the rest of a host's name."""
        for directory in sorted(self.certificates, key=len, reverse=True):
            text = text.replace(f"{directory}/", f"<{self.certificates[directory].kind}>/")
        if self.data:
            text = text.replace(self.data, "<data>")
        return _HOST.sub(r"\1", text)


def serving(processes: list[Process]) -> Iterator[Process]:
    """The processes of the project's programs."""
    return (process for process in processes if process.program in {"coordinator", "region-node"})


def kinds_of(program: str, variables: Mapping[str, str]) -> list[str]:
    """The kinds of certificates that lie in the directory of one process, as deploy/README.md lists them."""
    if program in {"etcd", "postgresql"}:
        return [program]
    if program == "patroni":
        return ["etcd", "postgresql"]
    stores = [kind for kind in ("etcd", "postgresql") if any(f"_{kind.upper()}__" in name for name in variables)]
    return ["federation", *stores, *(["keys"] if program == "region-node" else [])]


def seconds(text: str) -> float:
    """A duration such as `30s` or `10min`. Raises Broken."""
    found = re.fullmatch(r"([0-9]+)(s|min)?", text)
    if found is None:
        raise Broken(f"{text!r} is no duration")
    return int(found[1]) * (60.0 if found[2] == "min" else 1.0)
