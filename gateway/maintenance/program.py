"""A program that serves, as the commands about its own process and its database need to know it."""

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, Generic, NoReturn, ParamSpec, Protocol, TypeVar

import click

from gateway.backups.settings import BackupSettings
from gateway.backups.shared_store import SharedStore
from gateway.cli.exits import USAGE
from gateway.security.identity import Identity
from gateway.security.tls import Credentials
from gateway.settings import Page, SettingsError, Sources, load_page
from gateway.settings.sources import FLAG
from gateway.store.opening import DatabasePlace
from gateway.store.schema import Migration, migrations_of


class ServedSettings(Protocol):
    """The settings of every such program."""

    @property
    def identity(self) -> Identity:
        """The member of the federation that the certificate must name."""

    @property
    def credentials(self) -> Credentials:
        """The authority, the certificate and the key of the process."""

    @property
    def number(self) -> int:
        """The number of this process among those of its member."""

    @property
    def listen(self) -> str:
        """`host:port`."""

    @property
    def log_format(self) -> str:
        """How a line of the log is written: `text` or `json`."""

    @property
    def data(self) -> Path:
        """The directory of the process."""

    @property
    def scratch(self) -> Path | None:
        """The directory in which its backups are made and proven, where that is another one than `data`."""

    @property
    def backup(self) -> BackupSettings | None:
        """The repository of its backups."""

    @property
    def database(self) -> DatabasePlace:
        """The database of the process."""

    @property
    def secrets(self) -> Sequence[Path]:
        """The files that the process takes only where nobody else may read them."""


P = ParamSpec("P")
S = TypeVar("S", bound=ServedSettings)


def _nothing_shared(_: ServedSettings) -> SharedStore | None:
    return None


@dataclass(frozen=True)
class Program(Generic[S]):
    """One program; the commands that are made of it are the same for all."""

    name: str
    """The name of the command, for example `region-node`."""
    title: str
    """The process that it runs, for help: `region node`."""
    kind: type[S]
    """Its settings."""
    packages: Sequence[str]
    """The packages whose schema files make the database, in order."""
    end: Callable[[str, int], NoReturn]
    """Ends a command with a text and an exit code."""
    shared_store: Callable[[S], SharedStore | None] = _nothing_shared
    """The store that its processes share by their settings, which is copied with the database."""

    @property
    def prefix(self) -> str:
        """How the variables of its settings begin, for example `REGION_NODE_`."""
        return f"{self.name.upper().replace('-', '_')}_"

    def settings_options(self, command: Callable[Concatenate[Sources, P], None]) -> Callable[..., None]:
        """Gives a command the sources of its settings as the first argument: a file, variables, and flags."""

        @click.option(
            "--settings",
            "settings_file",
            metavar="FILE",
            envvar=Sources(prefix=self.prefix).file_variable,
            show_envvar=True,
            type=click.Path(path_type=Path, dir_okay=False),
            help="The settings (TOML).",
        )
        @click.option(
            FLAG,
            "flags",
            metavar="KEY=VALUE",
            multiple=True,
            help=f"One setting; wins over the environment ({self.prefix}KEY=VALUE) and the file. Others can see flags:"
            " passwords belong in one of the other two.",
        )
        @functools.wraps(command)
        def take(settings_file: Path | None, flags: tuple[str, ...], *args: P.args, **kwargs: P.kwargs) -> None:
            command(Sources(settings_file, self.prefix, os.environ, flags), *args, **kwargs)

        return take

    def page(self, sources: Sources) -> Page[S]:
        """The settings, and where each comes from. Ends the command with everything that is wrong with them."""
        try:
            return load_page(self.kind, sources)
        except SettingsError as error:
            self.end("\n".join(error.problems), USAGE)

    def settings(self, sources: Sources) -> S:
        """The settings. Ends the command with everything that is wrong with them."""
        return self.page(sources).settings

    def migrations(self) -> list[Migration]:
        """The schema files of this version."""
        return migrations_of(*self.packages)
