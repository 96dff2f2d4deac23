"""A PostgreSQL of several members on loopback, of which Patroni makes one the primary, by the files of `deploy`."""

import json
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from deploy.image.ask_patroni import affirms
from deploy.local.certificates import HOST_NAME
from deploy.local.etcd import LocalEtcd
from deploy.local.ports import HeldPort
from deploy.local.postgresql import bare_environment, give, require_programs, server_user
from deploy.local.postgresql_access import ADMINISTRATOR, APPLICATION, PostgresqlAccess
from deploy.local.process import (
    START_SECONDS,
    ChildProcess,
    ProcessFailed,
    children_of,
    end_all,
    halt_all,
    marked,
    signal_all,
    wait_until,
)
from gateway.security.tls import Credentials

PACKAGES = "patroni python3-etcd"
"""The Debian packages that bring Patroni with its client of etcd."""
_DEPLOY = Path(__file__).parents[1]
_MEMBER = _DEPLOY / "postgresql" / "patroni.yaml"
_CONTAINER = _DEPLOY / "image" / "patroni.yaml"
_SCRIPTS = "/usr/local/lib/crossregion/"  # where the image has those beside the configuration of a container

_REPLICATOR = "replicator"
_LEAST_TIMES = {"ttl": 20, "loop_wait": 1, "retry_timeout": 3}  # in seconds; Patroni takes no less
_ADDRESS = "127.0.0.1"
_PRIMARY = "primary"
_OWNERS_ALONE = 0o700


def program() -> str | None:
    """The installed Patroni; None without one."""
    return shutil.which("patroni", path=os.defpath)


def require_program() -> str:
    """The installed Patroni. Raises ProcessFailed without one."""
    found = program()
    if found is None:
        raise ProcessFailed(f"Patroni is not installed (on Debian: the packages {PACKAGES})")
    return found


@dataclass(frozen=True)
class _Member:
    """A member: its addresses, its Patroni and its files."""

    name: str
    server: HeldPort
    interface: HeldPort
    process: ChildProcess
    home: Path

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def configuration(self) -> Path:
        return self.home / "configuration"

    def servers(self) -> list[int]:
        """The processes of its server, and the tools that copy one."""
        first = marked(str(self.data))
        return [*first, *children_of(first)]


class LocalPatroni(PostgresqlAccess):
    """Members, counted from 0, that can be started and killed singly.

    `etcd` is one with a gateway, and runs. `synchronous`: no commit is answered before a standby has it. `through`
    gives the address by which a member reaches an endpoint of etcd, or by which others reach an endpoint of its own.
    `region`: the members are those of the containers, whose first primary has a role and a database of this name.
    """

    def __init__(
        self,
        directory: Path,
        etcd: LocalEtcd,
        members: int = 3,
        *,
        synchronous: bool = True,
        through: Callable[[int, str], str] | None = None,
        region: str = "",
    ) -> None:
        self._through = through
        self._region = region
        self._user = server_user()
        directory.mkdir(parents=True, exist_ok=True)
        self._home = directory / "patroni"
        if self._user is None:
            self._home.mkdir(mode=_OWNERS_ALONE)
        else:
            self._home = Path(tempfile.mkdtemp(prefix="crossregion-patroni-"))
            give(self._home, self._user)
        self._etcd = etcd
        self._scope = f"local-{secrets.token_hex(4)}"
        self._synchronous = synchronous
        self._members = [
            _Member(
                name=f"member-{index}",
                server=HeldPort(),
                interface=HeldPort(),
                process=ChildProcess(f"patroni-{index}", directory / f"patroni-{index}.log"),
                home=self._home / f"member-{index}",
            )
            for index in range(members)
        ]
        super().__init__(directory, [member.server.number for member in self._members])

    @property
    def members(self) -> range:
        """The members' numbers."""
        return range(len(self._members))

    def log(self, index: int) -> Path:
        """The log of a member: of Patroni, and of its server."""
        return self._members[index].process.log

    def prepare(self) -> None:
        """Makes the files of the members. Raises ProcessFailed where PostgreSQL or Patroni is not installed."""
        require_program()
        for index, member in enumerate(self._members):
            member.home.mkdir(mode=_OWNERS_ALONE)
            clients = {
                role: self.authority.write(self.authority.issue_client(role), member.home / role)
                for role in (ADMINISTRATOR, _REPLICATOR)
            }
            server = self.authority.write(self.authority.issue_server(HOST_NAME), member.home / "server")
            copied = member.home / "etcd"
            shutil.copytree(self._etcd.credentials("patroni").certificate.parent, copied)
            etcd = Credentials(copied / "authority.crt", copied / "tls.crt", copied / "tls.key")
            places = self._places(member, server, etcd, clients)
            if self._through is not None:
                _lead(places, partial(self._through, index))
            self._configure(member, places)
            for path in (member.home, *member.home.rglob("*")):
                give(path, self._user)

    def start(self) -> None:
        """Starts the members that do not run, and returns once commits are done. Raises ProcessFailed."""
        for index in self.members:
            self.launch_member(index)
        wait_until(self._serves, START_SECONDS, "PostgreSQL has a primary")
        wait_until(self.is_whole, START_SECONDS, "the standbys follow it")

    def launch_member(self, index: int) -> None:
        """Starts a member without waiting; nothing if it runs. One that was killed comes back as a standby."""
        member = self._members[index]
        if not member.process.runs():
            member.process.run(
                [require_program(), str(member.configuration)],
                bare_environment() | {"DATABASES": self._region},
                user=self._user,
                directory=member.home,
            )

    def primary(self) -> int | None:
        """The member that holds Patroni's lock and takes writes; None without one."""
        return next(iter(self._members_at(_PRIMARY)), None)

    def leads(self, index: int) -> bool:
        """Whether a member holds Patroni's lock and takes writes."""
        return self.affirms(index, _PRIMARY)

    def affirms(self, index: int, question: str) -> bool:
        """Whether a member's Patroni says yes to a question of its interface."""
        member = self._members[index]
        return affirms(question, member.home / "server", member.interface.number)

    def is_whole(self) -> bool:
        """Whether every member is there, and one may take over without a loss."""
        return (
            self.primary() is not None and len(self._members_at("health")) == len(self._members) and self.standbys() > 0
        )

    def standbys(self) -> int:
        """How many standbys stream; where commits wait for them, only those that may take over."""
        return len(self._members_at("synchronous" if self._synchronous else "replica"))

    def kill_server(self, index: int) -> None:
        """Ends all processes of a member's server as kill -9 does; its Patroni lives."""
        end_all(self._members[index].servers)

    def kill_member(self, index: int) -> None:
        """Ends a member's Patroni and its server, as a loss of power does."""
        self._members[index].process.kill_group()
        self.kill_server(index)

    def kill_patroni(self, index: int) -> None:
        """Ends a member's Patroni as kill -9 does; its server lives, and has nobody who leads it."""
        self._members[index].process.kill_group()

    def freeze_member(self, index: int) -> None:
        """Halts a member's Patroni and its server until `thaw_member`; their kernel goes on acknowledging."""
        member = self._members[index]
        member.process.freeze()
        halt_all(member.servers)

    def thaw_member(self, index: int) -> None:
        """Lets a member go on as if nothing had been."""
        member = self._members[index]
        signal_all(member.servers(), signal.SIGCONT)
        member.process.thaw()

    def remove(self) -> None:
        """Ends all members, and removes their data and certificates."""
        for member in self._members:
            member.process.kill_group()
            end_all(member.servers)
            member.server.release()
            member.interface.release()
        shutil.rmtree(self._home, ignore_errors=True)
        shutil.rmtree(self._directory / "clients", ignore_errors=True)

    def _members_at(self, question: str) -> list[int]:
        return [index for index in self.members if self.affirms(index, question)]

    def _configure(self, member: _Member, places: Mapping[str, object]) -> None:
        """Lays down the files that the image has, and behind them, for Patroni to merge, the places of this machine."""
        member.configuration.mkdir(mode=_OWNERS_ALONE)
        shutil.copyfile(_MEMBER, member.configuration / "10-member.yaml")
        if self._region:
            text = _CONTAINER.read_text("utf-8").replace(_SCRIPTS, f"{_CONTAINER.parent}/")
            (member.configuration / "20-container.yaml").write_text(text, "utf-8")
        local = member.configuration / "30-local.yaml"
        local.write_text(json.dumps(places), "utf-8")  # which is YAML, too

    def _places(
        self, member: _Member, server: Credentials, etcd: Credentials, clients: Mapping[str, Credentials]
    ) -> dict[str, Any]:
        """The addresses, files and times of this machine, in the place of those in the shipped files."""
        shipped: dict[str, Any] = yaml.safe_load(_MEMBER.read_text("utf-8"))["postgresql"]
        files = {"certfile": str(server.certificate), "keyfile": str(server.key)}
        interface = f"{_ADDRESS}:{member.interface.number}"
        address = f"{_ADDRESS}:{member.server.number}"
        return {
            "scope": self._scope,
            "name": member.name,
            "watchdog": {"mode": "off"},  # it would reset this machine
            "etcd3": {
                "hosts": ",".join(self._etcd.endpoints),
                "cacert": str(etcd.authority),
                "cert": str(etcd.certificate),
                "key": str(etcd.key),
            },
            "restapi": {
                "listen": interface,
                "connect_address": interface,
                "cafile": str(server.authority),
                **files,
            },
            "ctl": {"cacert": str(server.authority), **files},
            "bootstrap": {
                "dcs": {
                    **_LEAST_TIMES,
                    "synchronous_mode": self._synchronous,
                    "synchronous_mode_strict": self._synchronous,
                }
            },
            "postgresql": {
                "listen": address,
                "connect_address": address,
                "data_dir": str(member.data),
                "bin_dir": str(require_programs()),
                "pgpass": str(member.home / "pgpass"),
                "authentication": {
                    role: {
                        "sslrootcert": str(held.authority),
                        "sslcert": str(held.certificate),
                        "sslkey": str(held.key),
                    }
                    for role in shipped["authentication"]
                    for held in [clients[_REPLICATOR if role == "replication" else ADMINISTRATOR]]
                },
                # Here one role owns the databases of all members of a federation.
                "pg_hba": [*shipped["pg_hba"], f"hostssl all {APPLICATION} all cert clientcert=verify-full"],
                "parameters": {
                    "ssl_ca_file": str(server.authority),
                    "ssl_cert_file": str(server.certificate),
                    "ssl_key_file": str(server.key),
                    "shared_buffers": "32MB",
                    "recovery_init_sync_method": "syncfs",
                },
            },
        }


def _lead(places: dict[str, Any], through: Callable[[str], str]) -> None:
    """Puts other addresses into a member's places: those of etcd for itself, and its own for other members."""
    etcd = places["etcd3"]
    etcd["hosts"] = ",".join(through(each) for each in etcd["hosts"].split(","))
    etcd["use_proxies"] = True  # else Patroni asks etcd for the addresses of its members, and uses those
    for part in ("restapi", "postgresql"):
        places[part]["connect_address"] = through(places[part]["connect_address"])
