"""The two programs with everything that they need in a directory: their commands run here, `serve` as a process."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
from click.testing import CliRunner, Result

import coordinator.cli.main
import coordinator.schema
import region_node.cli.main
import region_node.schema
from deploy.local.process import Launcher, LocalProcess, Program
from gateway.security.region_keys import KeySet
from gateway.store.opening import DatabasePlace, PostgresqlSettings
from gateway.store.schema import Migration, migrations_of
from tests import preloaded
from tests.contract.small_federation import FEDERATION, NOTHING_LISTENS, Certificates

PATIENCE_S = 60.0
REGION_NODE, COORDINATOR = "region-node", "coordinator"
_MAIN: Mapping[str, click.Command] = {
    REGION_NODE: region_node.cli.main.main,
    COORDINATOR: coordinator.cli.main.main,
}
_MODULES = {REGION_NODE: "region_node.cli.main", COORDINATOR: "coordinator.cli.main"}
_PACKAGES = {REGION_NODE: region_node.schema.PACKAGES, COORDINATOR: coordinator.schema.PACKAGES}
_FILES = {REGION_NODE: "region-node.sqlite", COORDINATOR: "coordinator.db"}
_MEMBERS = {REGION_NODE: "region/sichuan", COORDINATOR: "coordinator/0"}


@dataclass
class Installation:
    """A program, its certificates and its settings; these are given as flags."""

    name: str
    directory: Path
    settings: dict[str, str]
    certificates: Certificates
    conninfo: str = field(default="", repr=False)

    @classmethod
    def make(cls, name: str, directory: Path, conninfo: str = "") -> "Installation":
        """With a PostgreSQL database where one is named, else with SQLite."""
        certificates = Certificates(directory / "certificates")
        tls = certificates.credentials(_MEMBERS[name])
        settings = {
            "federation": FEDERATION,
            "listen": "127.0.0.1:0",
            "data": str(directory / "data"),
            "port_file": str(directory / "port"),
            "allow_unsigned_configuration": "true",
            "credentials.authority": str(tls.authority),
            "credentials.certificate": str(tls.certificate),
            "credentials.key": str(tls.key),
        }
        if name == REGION_NODE:
            settings["region"] = "sichuan"
            settings["allow_unscoped_operators"] = "true"
            settings["coordinators"] = NOTHING_LISTENS
            settings["signing.certificate"] = str(tls.certificate.with_name("signing.crt"))
            KeySet.new().save(tls.certificate.with_name("region.keys"))
            settings["keys"] = str(tls.certificate.with_name("region.keys"))
            settings["signing.key"] = str(tls.certificate.with_name("signing.key"))
        if conninfo:
            settings["postgresql.conninfo"] = conninfo
        return cls(name, directory, settings, certificates, conninfo)

    @property
    def place(self) -> DatabasePlace:
        """The database."""
        postgresql = PostgresqlSettings(self.conninfo) if self.conninfo else None
        return DatabasePlace(self.file, postgresql)

    @property
    def file(self) -> Path:
        """The SQLite file."""
        return Path(self.settings["data"]) / _FILES[self.name]

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages of whose schema the database is."""
        return _PACKAGES[self.name]

    @property
    def migrations(self) -> list[Migration]:
        """The schema files of the program."""
        return migrations_of(*self.packages)

    def flags(self) -> list[str]:
        """The settings."""
        return [word for key, text in self.settings.items() for word in ("--set", f"{key}={text}")]

    def run(self, *words: str) -> Result:
        """A command with the settings, in this process."""
        return CliRunner().invoke(_MAIN[self.name], [*words, *self.flags()])

    def start(
        self, *words: str, environment: Mapping[str, str] | None = None, errors: int = subprocess.PIPE
    ) -> "subprocess.Popen[str]":
        """A command with the settings, in a process of its own; its standard error may go to an open file."""
        return subprocess.Popen(
            [sys.executable, "-m", _MODULES[self.name], *words, *self.flags()],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **(environment or {})},
        )

    def serve_in_vain(self) -> tuple[int, str]:
        """How a process that cannot serve ends, and its last line."""
        code, _, errors = ended(self.start("serve"))
        assert "Traceback" not in errors
        return code, errors.splitlines()[-1]

    @contextmanager
    def serving(self, launcher: Launcher = preloaded.launch) -> Iterator[LocalProcess]:
        """A serving process; at the end it gets a stop signal, and stops."""
        arguments = ("serve", *self.flags())
        log, port_file = self.directory / "log", Path(self.settings["port_file"])
        process = LocalProcess(Program(self.name, _MODULES[self.name], arguments, log, port_file), launcher)
        try:
            process.start()
            yield process
            code = process.stop()
            assert code == 0, f"{code}\n{process.last_lines()}"
        finally:
            process.kill()


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """The exit code of a process, and what it printed."""
    try:
        out, errors = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    return process.returncode, out, errors


def tables_of(place: DatabasePlace) -> Mapping[str, Sequence[tuple[object, ...]]]:
    """All rows of all tables, always in one order; none where there is no database."""
    catalogue = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        if place.postgresql is None
        else "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
    )
    with place.look() as tx:
        names = tx.all(str, catalogue)
        return {name: sorted(tx.all(_row, f"SELECT * FROM {name}"), key=repr) for name in sorted(names)}


def _row(*columns: object) -> tuple[object, ...]:
    return columns
