"""A PostgreSQL of several members on loopback, of which Patroni makes one the primary, by the example of `deploy`."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import ssl
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

import yaml

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
EXAMPLE = Path(__file__).parents[1] / "postgresql" / "patroni.yaml"
"""The configuration of a member, whose addresses, files and times are replaced here."""

_REPLICATOR = "replicator"
_LEAST_TIMES = {"ttl": 20, "loop_wait": 1, "retry_timeout": 3}  # in seconds; Patroni takes no less
_ADDRESS = "127.0.0.1"
_ANSWER_SECONDS = 2.0
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

    def servers(self) -> list[int]:
        """The processes of its server, and the tools that copy one."""
        first = marked(str(self.data))
        return [*first, *children_of(first)]


class LocalPatroni(PostgresqlAccess):
    """Members, counted from 0, that can be started and killed singly.

    `etcd` is one with a gateway, and runs. `synchronous`: no commit is answered before a standby has it. `through`
    gives the address by which a member reaches an endpoint of etcd, or by which others reach an endpoint of its own.
    """

    def __init__(
        self,
        directory: Path,
        etcd: LocalEtcd,
        members: int = 3,
        *,
        synchronous: bool = True,
        through: Callable[[int, str], str] | None = None,
    ) -> None:
        self._through = through
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
            settings = self._settings(member, server, etcd, clients)
            if self._through is not None:
                _lead(settings, partial(self._through, index))
            (member.home / "patroni.yaml").write_text(json.dumps(settings), "utf-8")  # which is YAML, too
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
                [require_program(), str(member.home / "patroni.yaml")],
                bare_environment(),
                user=self._user,
                directory=member.home,
            )

    def primary(self) -> int | None:
        """The member that holds Patroni's lock and takes writes; None without one."""
        return next(iter(self._members_at(_PRIMARY)), None)

    def leads(self, index: int) -> bool:
        """Whether a member holds Patroni's lock and takes writes."""
        return self._affirms(self._members[index], _PRIMARY)

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

    def _members_at(self, endpoint: str) -> list[int]:
        """The members whose Patroni says yes to a question of its interface."""
        return [index for index, member in enumerate(self._members) if self._affirms(member, endpoint)]

    def _affirms(self, member: _Member, endpoint: str) -> bool:
        files = member.home / "server"
        context = ssl.create_default_context(cafile=files / "authority.crt")
        context.load_cert_chain(files / "tls.crt", files / "tls.key")
        connection = HTTPSConnection(_ADDRESS, member.interface.number, timeout=_ANSWER_SECONDS, context=context)
        with contextlib.closing(connection):
            try:
                connection.request("GET", f"/{endpoint}")
                return connection.getresponse().status == HTTPStatus.OK
            except (OSError, HTTPException):
                return False

    def _settings(
        self, member: _Member, server: Credentials, etcd: Credentials, clients: Mapping[str, Credentials]
    ) -> dict[str, Any]:
        """The example with the places of this machine."""
        settings: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text("utf-8"))
        settings |= {"scope": self._scope, "name": member.name}
        settings["watchdog"]["mode"] = "off"  # it would reset this machine
        settings["etcd3"] |= {
            "hosts": ",".join(self._etcd.endpoints),
            "cacert": str(etcd.authority),
            "cert": str(etcd.certificate),
            "key": str(etcd.key),
        }
        files = {"certfile": str(server.certificate), "keyfile": str(server.key)}
        interface = f"{_ADDRESS}:{member.interface.number}"
        settings["restapi"] |= {"listen": interface, "connect_address": interface, "cafile": str(server.authority)}
        settings["restapi"] |= files
        settings["ctl"] |= {"cacert": str(server.authority), **files}
        settings["bootstrap"]["dcs"] |= _LEAST_TIMES
        settings["bootstrap"]["dcs"] |= {
            "synchronous_mode": self._synchronous,
            "synchronous_mode_strict": self._synchronous,
        }
        own = settings["postgresql"]
        address = f"{_ADDRESS}:{member.server.number}"
        own |= {
            "listen": address,
            "connect_address": address,
            "data_dir": str(member.data),
            "bin_dir": str(require_programs()),
            "pgpass": str(member.home / "pgpass"),
        }
        for role, client in own["authentication"].items():
            held = clients[_REPLICATOR if role == "replication" else ADMINISTRATOR]
            client |= {
                "sslrootcert": str(held.authority),
                "sslcert": str(held.certificate),
                "sslkey": str(held.key),
            }
        # Here one role owns the databases of all members of a federation.
        own["pg_hba"].append(f"hostssl all {APPLICATION} all cert clientcert=verify-full")
        own["parameters"] |= {
            "ssl_ca_file": str(server.authority),
            "ssl_cert_file": str(server.certificate),
            "ssl_key_file": str(server.key),
            "shared_buffers": "32MB",
            "recovery_init_sync_method": "syncfs",
        }
        return settings


def _lead(settings: dict[str, Any], through: Callable[[str], str]) -> None:
    """Puts other addresses into a member's settings: those of etcd for itself, and its own for other members."""
    etcd = settings["etcd3"]
    etcd["hosts"] = ",".join(through(each) for each in etcd["hosts"].split(","))
    etcd["use_proxies"] = True  # else Patroni asks etcd for the addresses of its members, and uses those
    for part in ("restapi", "postgresql"):
        settings[part]["connect_address"] = through(settings[part]["connect_address"])
