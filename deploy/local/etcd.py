"""An etcd cluster of one's own on loopback: mutual TLS for clients and between its members."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import grpc
from etcd3.etcdrpc.rpc_pb2 import (
    MemberAddRequest,
    MemberAddResponse,
    MemberListRequest,
    MemberListResponse,
    MemberRemoveRequest,
    MemberRemoveResponse,
    RangeRequest,
    RangeResponse,
    StatusRequest,
    StatusResponse,
)
from google.protobuf.message import Message

from deploy.local.certificates import HOST_NAME, StoreAuthority
from deploy.local.ports import HeldPort
from deploy.local.process import START_SECONDS, ChildProcess, ProcessFailed, wait_until
from gateway.security.tls import Credentials, client_credentials, client_options

PACKAGE = "etcd-server"
"""The Debian package that brings the server."""
CLIENT = "coordinator"
"""The common name of the default client certificate."""
HEARTBEAT_MS = 100
ELECTION_MS = 1000
MINIMUM_LEASE_SECONDS = 2
"""etcd grants no shorter lease: one and a half election timeouts, in whole seconds."""
PROGRESS_SECONDS = 1
"""The interval of progress notifications on a quiet watch."""

_ADMINISTRATOR = "administrator"
_MEMBER = "etcd-member"  # no other common name is accepted as a peer
_ANSWER_SECONDS = 2.0
_QUOTA_BYTES = 256 * 1024 * 1024
_RETENTION = "5m"


Answer = TypeVar("Answer", bound=Message)


class _Refused(ProcessFailed):
    """A member did not respond, or refused."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class _Member:
    """A member: its address, its process and its data."""

    name: str
    client: HeldPort
    peer: HeldPort
    process: ChildProcess
    data: Path

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.client.number}"

    @property
    def peer_address(self) -> str:
        return f"https://127.0.0.1:{self.peer.number}"


def program() -> str | None:
    """The installed etcd server; None without one."""
    return shutil.which("etcd")


def require_program() -> str:
    """The installed etcd server. Raises ProcessFailed without one."""
    found = program()
    if found is None:
        raise ProcessFailed(f"etcd is not installed (on Debian: the package {PACKAGE})")
    return found


class LocalEtcd:
    """A cluster whose members, counted from 0, can be started, stopped, killed, frozen and wiped singly.

    `gateway`: it takes JSON over HTTP, too, which Patroni speaks.
    """

    def __init__(self, directory: Path, members: int = 3, *, gateway: bool = False) -> None:
        self._directory = directory
        self._gateway = gateway
        self._clusters = 1
        self._authority = StoreAuthority("etcd")
        self._members = [
            _Member(
                name=f"etcd-{index}",
                client=HeldPort(),
                peer=HeldPort(),
                process=ChildProcess(f"etcd-{index}", directory / f"etcd-{index}.log"),
                data=directory / f"etcd-{index}",
            )
            for index in range(members)
        ]

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The addresses of the members for clients, in order; the same at every start."""
        return tuple(member.endpoint for member in self._members)

    def credentials(self, common_name: str = CLIENT) -> Credentials:
        """The TLS files of a client, issued at the first call. The servers prove the name `localhost`."""
        directory = self._directory / "clients" / common_name
        if not directory.exists():
            self._authority.write(self._authority.issue_client(common_name), directory)
        return Credentials(directory / "authority.crt", directory / "tls.crt", directory / "tls.key")

    def pid(self, index: int) -> int:
        """The process id of a member. Raises ProcessFailed for one that was not started."""
        return self._members[index].process.pid

    def running(self) -> list[int]:
        """The members with live processes."""
        return [index for index, member in enumerate(self._members) if member.process.runs()]

    def log(self, index: int) -> Path:
        """The log of a member."""
        return self._members[index].process.log

    def prepare(self) -> None:
        """Makes the members' certificates."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._authority.write(self._authority.issue_server(_MEMBER), self._directory / "certificates")

    def start(self) -> None:
        """Starts the members that do not run and returns once each of them serves. Raises ProcessFailed."""
        for index in range(len(self._members)):
            self.launch_member(index)
        self.wait_healthy()

    def stop(self) -> None:
        """Ends all members in order. Raises ProcessFailed."""
        # One after another: a leader waits seconds for its successor where all stop at the same time.
        for member in self._members:
            member.process.stop()

    def kill(self) -> None:
        """Ends all members as kill -9 does."""
        for member in self._members:
            member.process.kill()

    def remake(self) -> None:
        """Makes another, empty cluster at the same addresses, as a restore does. Raises ProcessFailed."""
        self.kill()
        for member in self._members:
            shutil.rmtree(member.data)
        self._clusters += 1
        self.start()

    def restore(self, snapshot: Path) -> None:
        """Makes another cluster of a snapshot, as an administrator does who has lost all members.

        Raises ProcessFailed.
        """
        self.kill()
        self._clusters += 1
        for member in self._members:
            shutil.rmtree(member.data, ignore_errors=True)
            cluster = {
                "data-dir": member.data,
                "name": member.name,
                "initial-cluster": self._initial_cluster,
                "initial-advertise-peer-urls": member.peer_address,
                "initial-cluster-token": self._token,
            }
            command = ["etcdutl", "snapshot", "restore", str(snapshot), *_options(cluster)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise ProcessFailed(done.stderr)
        self.start()

    def remove(self) -> None:
        """Ends the members that run, and removes their data and the certificates."""
        self.kill()
        for member in self._members:
            member.client.release()
            member.peer.release()
            shutil.rmtree(member.data, ignore_errors=True)
        for name in ("certificates", "clients"):
            shutil.rmtree(self._directory / name, ignore_errors=True)

    def wait_healthy(self) -> None:
        """Returns once each member answers with the agreement of a majority. Raises ProcessFailed."""
        for index in range(len(self._members)):
            self.await_member(index)

    def start_member(self, index: int) -> None:
        """Starts a member and returns once it serves, for which a majority must run. Raises ProcessFailed."""
        self.launch_member(index)
        self.await_member(index)

    def launch_member(self, index: int) -> None:
        """Starts a member without waiting; nothing if it runs."""
        self._launch(index, "new")

    def await_member(self, index: int) -> None:
        """Waits until a launched member answers with the agreement of a majority. Raises ProcessFailed."""
        member = self._members[index]

        def serves() -> bool:
            member.process.require_running()
            return self.is_healthy(index)

        wait_until(serves, START_SECONDS, f"{member.name} serves")

    def is_healthy(self, index: int) -> bool:
        """Whether a member answers a read that a majority has to agree to."""
        try:
            self._call(index, "KV/Range", RangeRequest(key=b"\0", keys_only=True), RangeResponse)
        except _Refused:
            return False
        return True

    def stop_member(self, index: int) -> None:
        """Ends a member in order; a leader hands over first. Raises ProcessFailed."""
        self._members[index].process.stop()

    def kill_member(self, index: int) -> None:
        """Ends a member as kill -9 does."""
        self._members[index].process.kill()

    def freeze_member(self, index: int) -> None:
        """Halts a member until `thaw_member`: its connections stay open and it answers nothing."""
        self._members[index].process.freeze()

    def thaw_member(self, index: int) -> None:
        """Thaws a member."""
        self._members[index].process.thaw()

    def wipe_member(self, index: int) -> None:
        """Kills a member and removes its data, as with its disk. It comes back by `rejoin_member` only."""
        self.kill_member(index)
        shutil.rmtree(self._members[index].data)

    def rejoin_member(self, index: int) -> None:
        """Replaces a wiped member by an empty one, and returns once that serves. Raises ProcessFailed.

        The others must be a majority and connected to each other for five seconds: etcd changes its membership no
        sooner.
        """
        member = self._members[index]
        other = self.leader()
        listed = self._call(other, "Cluster/MemberList", MemberListRequest(), MemberListResponse)
        for known in listed.members:
            if member.peer_address in known.peerURLs:
                self._change(other, "MemberRemove", MemberRemoveRequest(ID=known.ID), MemberRemoveResponse)
        self._change(other, "MemberAdd", MemberAddRequest(peerURLs=[member.peer_address]), MemberAddResponse)
        self._launch(index, "existing")
        self.await_member(index)

    def leader(self) -> int:
        """The index of the leader, once a running member claims it. Raises ProcessFailed."""
        found: list[tuple[int, int]] = []

        def known() -> bool:
            found.extend(
                (status.raftTerm, index)
                for index, member in enumerate(self._members)
                if member.process.runs()
                and not member.process.is_frozen()
                and (status := self._status(index)) is not None
                and status.leader == status.header.member_id
            )
            return bool(found)

        wait_until(known, START_SECONDS, "etcd has a leader")
        return max(found)[1]

    @property
    def _initial_cluster(self) -> str:
        return ",".join(f"{each.name}={each.peer_address}" for each in self._members)

    @property
    def _token(self) -> str:
        """With the same token and addresses, another cluster would get the same id."""
        return f"{self._directory.name}-{self._clusters}"

    def _status(self, index: int) -> StatusResponse | None:
        try:
            return self._call(index, "Maintenance/Status", StatusRequest(), StatusResponse)
        except _Refused:
            return None

    def _launch(self, index: int, state: str) -> None:
        member = self._members[index]
        if member.process.runs():
            return
        installed = require_program()
        certificates = self._directory / "certificates"
        authority, certificate, key = (certificates / name for name in ("authority.crt", "tls.crt", "tls.key"))
        arguments = {
            "name": member.name,
            "data-dir": member.data,
            "listen-client-urls": f"https://{member.endpoint}",
            "advertise-client-urls": f"https://{member.endpoint}",
            "listen-peer-urls": member.peer_address,
            "initial-advertise-peer-urls": member.peer_address,
            "initial-cluster": self._initial_cluster,
            "initial-cluster-state": state,
            "initial-cluster-token": self._token,
            "client-cert-auth": "true",
            "trusted-ca-file": authority,
            "cert-file": certificate,
            "key-file": key,
            "peer-client-cert-auth": "true",
            "peer-trusted-ca-file": authority,
            "peer-cert-file": certificate,
            "peer-key-file": key,
            "peer-cert-allowed-cn": _MEMBER,
            "tls-min-version": "TLS1.3",
            "enable-grpc-gateway": "true" if self._gateway else "false",
            "heartbeat-interval": HEARTBEAT_MS,
            "election-timeout": ELECTION_MS,
            "auto-compaction-mode": "periodic",
            "auto-compaction-retention": _RETENTION,
            "quota-backend-bytes": _QUOTA_BYTES,
            "experimental-initial-corrupt-check": "true",
            "experimental-watch-progress-notify-interval": f"{PROGRESS_SECONDS}s",
            "log-level": "warn",
        }
        # Of ours only the path: etcd reads settings from its environment.
        environment = {"PATH": os.defpath}
        member.process.run([installed, *_options(arguments)], environment)

    def _change(self, index: int, method: str, request: Message, response: type[Message]) -> None:
        """Changes the membership once etcd finds that safe."""

        def changed() -> bool:
            try:
                self._call(index, f"Cluster/{method}", request, response)
            except _Refused as refused:
                if refused.code == grpc.StatusCode.UNAVAILABLE:
                    return False
                raise
            return True

        wait_until(changed, START_SECONDS, f"etcd does {method}")

    def _call(self, index: int, method: str, request: Message, response: type[Answer]) -> Answer:
        credentials = client_credentials(self.credentials(_ADMINISTRATOR), datetime.now(UTC))
        with grpc.secure_channel(self._members[index].endpoint, credentials, client_options(HOST_NAME)) as channel:
            method_of: grpc.UnaryUnaryMultiCallable[Message, Answer] = channel.unary_unary(
                f"/etcdserverpb.{method}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=response.FromString,
            )
            call = method_of.future(request, timeout=_ANSWER_SECONDS)
            if (code := call.code()) != grpc.StatusCode.OK:
                raise _Refused(code, f"{method}: {code.name}: {call.details()}")
            return call.result()


def _options(values: Mapping[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in values.items()]
