"""A federation whose members are processes of their own: the commands that operators run."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path

from coordinator.settings import CoordinatorSettings
from deploy.local.process import LocalProcess, Program
from deploy.local.programs import REGION_NODE, run_by
from deploy.local.settings_files import Settings, Value, write_settings
from region_node.node.settings import RegionSettings
from tests import preloaded
from tests.administrators import Administrators
from tests.federation.databases import Databases
from tests.federation.running import REGIONS, Federation


@dataclass(frozen=True)
class OwnProcess:
    """A member that is a process."""

    process: LocalProcess
    port: int

    async def stop(self) -> None:
        """See Member."""
        assert await asyncio.to_thread(self.process.stop) == 0, self.process.last_lines()


@dataclass(frozen=True)
class AsProcesses:
    """Members by the time of the machine, with their files in a directory. `rest` kills those that are left."""

    directory: Path
    rest: ExitStack = field(repr=False)

    async def coordinator(self, settings: CoordinatorSettings) -> OwnProcess:
        """See Starting."""
        return await self._launched("coordinator", settings)

    async def node(self, settings: RegionSettings) -> OwnProcess:
        """See Starting."""
        return await self._launched(REGION_NODE, settings)

    async def _launched(self, program: str, settings: CoordinatorSettings | RegionSettings) -> OwnProcess:
        name = settings.data.name
        file, port_file, log = (self.directory / f"{name}.{each}" for each in ("toml", "port", "log"))
        write_settings(file, dict(_table(replace(settings, port_file=port_file))))
        module, words = run_by(None, program, "serve", "--settings", str(file))
        process = LocalProcess(Program(name, module, words, log, port_file), preloaded.launch)
        self.rest.callback(process.kill)
        return OwnProcess(process, await asyncio.to_thread(process.start))


def settings_file(federation: Federation, member: str) -> Path:
    """The settings of a member that has started, by the name of its directory."""
    return federation.directory / f"{member}.toml"


def log_of(federation: Federation, member: str) -> str:
    """All that such a member has written."""
    return (federation.directory / f"{member}.log").read_text("utf-8")


def _table(settings: object) -> Iterator[tuple[str, "Value | Settings"]]:
    """The table of a dataclass, without what is not set. Raises TypeError for a value that has no form in TOML."""
    assert is_dataclass(settings)
    for each in fields(settings):
        value: object = getattr(settings, each.name)
        match value:
            case None | ():
                continue
            case str() | bool() | int() | float() | tuple():
                yield each.name, value
            case Path():
                yield each.name, str(value)
            case _ if is_dataclass(value):
                if table := dict(_table(value)):
                    yield each.name, table
            case _:
                raise TypeError(f"{each.name}: {value!r}")


@asynccontextmanager
async def in_own_processes(
    directory: Path, databases: Databases, administrators: Administrators, operators: Path | None = None
) -> AsyncIterator[Federation]:
    """A federation of the usual regions, by the time of the machine, as commands beside it.

    `operators` are the scopes of Guangdong, where it has any.
    """
    federation = Federation(directory, databases, is_driven=False)
    federation.administrators = administrators
    if operators is not None:
        federation.operators["guangdong"] = operators
    with ExitStack() as rest:
        federation.starting = AsProcesses(directory, rest)
        try:
            await federation.start(REGIONS)
            yield federation
        finally:
            await federation.stop()
    federation.give_back_databases()
