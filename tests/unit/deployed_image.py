"""The Dockerfile, read strictly: stages and their instructions."""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from tests.unit.deployed import Broken

FILE = "image/Dockerfile"
_KNOWN = frozenset({"ARG", "FROM", "RUN", "WORKDIR", "COPY", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "CMD"})
_FROM = re.compile(r"(\S+) AS ([a-z]+)")


@dataclass(frozen=True)
class Stage:
    """A stage: its base, and its instructions in order."""

    name: str
    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        """The arguments of each instruction of a kind."""
        return [arguments for name, arguments in self.instructions if name == instruction]

    def only(self, instruction: str) -> str:
        """The arguments of an instruction that stands there once. Raises Broken."""
        match self.all(instruction):
            case [arguments]:
                return arguments
            case found:
                raise Broken(f"stage {self.name}: {instruction} stands there {len(found)} times")

    def command(self) -> list[str]:
        """Its command: a list, so that the process gets signals itself. Raises Broken."""
        try:
            words = json.loads(self.only("CMD"))
        except json.JSONDecodeError as error:
            raise Broken(f"stage {self.name}: CMD is no list") from error
        return [str(word) for word in words]

    def ports(self) -> set[int]:
        """The ports that it exposes."""
        return {int(port) for line in self.all("EXPOSE") for port in line.split()}

    def copies(self) -> list[tuple[str, list[str]]]:
        """Of each COPY the stage that it takes from, empty for the source, and what it takes."""
        found = []
        for line in self.all("COPY"):
            words = shlex.split(line)
            stage = words.pop(0).removeprefix("--from=") if words[0].startswith("--from=") else ""
            found.append((stage, words[:-1]))
        return found


def stages(deploy: Path) -> tuple[dict[str, str], dict[str, Stage]]:
    """The arguments before the first stage, and the stages by name. Raises Broken for what is no Dockerfile."""
    arguments: dict[str, str] = {}
    found: dict[str, Stage] = {}
    stage: Stage | None = None
    for line in _lines((deploy / FILE).read_text("utf-8")):
        instruction, _, rest = line.partition(" ")
        if instruction not in _KNOWN or not rest.strip():
            raise Broken(f"{FILE}: {line!r} is no instruction")
        if instruction == "FROM":
            named = _FROM.fullmatch(rest)
            if named is None:
                raise Broken(f"{FILE}: {line!r} names no base and stage")
            stage = found[named[2]] = Stage(named[2], named[1])
        elif stage is not None:
            stage.instructions.append((instruction, rest.strip()))
        elif instruction == "ARG":
            name, _, value = rest.partition("=")
            arguments[name] = value
        else:
            raise Broken(f"{FILE}: {line!r} belongs to no stage")
    return arguments, found


def _lines(text: str) -> list[str]:
    """Without comments, and with continued lines as one."""
    kept = "\n".join(line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    return re.sub(r"\\\n\s*", " ", kept).splitlines()
