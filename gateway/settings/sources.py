"""The sources of the settings of a process."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

FLAG = "--set"
_FILE = "SETTINGS"  # after the prefix: the variable that names the file


class SettingsError(Exception):
    """The sources cannot be used; `problems` lists everything found, each with its source and key."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Sources:
    """A file, the environment and flags; later ones win."""

    file: Path | None = None
    """A TOML file."""
    prefix: str = ""
    """The prefix of every variable, for example `REGION_NODE_`; empty reads no environment."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """All variables of the process."""
    flags: Sequence[str] = field(default=(), repr=False)
    """`key=value` each; of one key, the last one counts."""

    @classmethod
    def of_environment(cls, prefix: str) -> "Sources":
        """The environment of this process, and the file that it names."""
        environment = os.environ
        file = environment.get(cls(prefix=prefix).file_variable)
        return cls(Path(file) if file else None, prefix, environment)

    @property
    def file_variable(self) -> str:
        """The variable that may name the file instead of `--settings`."""
        return self.prefix + _FILE

    def variable(self, key: str) -> str:
        """The variable of a key: `REGION_NODE_POSTGRESQL__READERS` of `postgresql.readers`."""
        return self.prefix + key.replace(".", "__").upper()

    def variables(self) -> Iterator[tuple[str, str]]:
        """Name and value of each variable with the prefix, by name, without the variable that names the file."""
        for name in sorted(self.environment):
            if self.prefix and name.startswith(self.prefix) and name != self.file_variable:
                yield name, self.environment[name]

    def __str__(self) -> str:
        """The sources that give a value, for people; empty if none does."""
        given = [str(self.file)] if self.file is not None else []
        given += ["the environment"] if any(self.variables()) else []
        given += [FLAG] if self.flags else []
        return ", ".join(given)
