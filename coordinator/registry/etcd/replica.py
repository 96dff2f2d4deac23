"""This coordinator's entry in etcd, and the proof that it still counts; and what is left of the entries of others.

The proof is a time on this machine's own clock: a part of the lease, counted from before a sign of life was sent. etcd
counts the whole lease from a later moment. So a coordinator that sees the entry gone knows that its holder is silent.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from etcd3.etcdrpc import rpc_pb2

from coordinator.registry.etcd import values
from coordinator.registry.etcd.client import ATTEMPT_SECONDS, RANGE, TRANSACTION, EtcdClient, Rejected, Unanswered
from coordinator.registry.etcd.copy import Copy
from coordinator.registry.etcd.keys import Keys
from coordinator.registry.etcd.leases import LEASE_ID_BITS, Leases, seconds_since_boot
from coordinator.registry.etcd.watch import Follower
from coordinator.registry.port import Replica, Snapshot
from gateway.api.federation.v1.federation_pb2 import ProcessVersion
from gateway.process.files import replace_file
from gateway.store.sqlite import FileLock

LEASE_FILE = "lease"
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PROVEN_PART = 0.9  # of a lease: the clocks of two machines may run at rates that differ by a tenth
_LONGEST_INTERVAL_SECONDS = 1.0  # between signs of life, so that a delivery may take most of a lease
_RENEWALS_IN_LEASE = 3
_PATIENCE_OF_LEASE = 2 / 3
_LEAVING_SECONDS = 1.0
_AGAIN_SECONDS = 0.5  # between attempts that fail
_NOT_YET = "%s is not entered in etcd yet: %s"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReplicaPorts:
    """The ports of an entry."""

    client: EtcdClient
    keys: Keys
    lease: timedelta
    patience: Callable[[], float]
    """The seconds that a call to etcd may take."""
    copy: Copy
    follower: Follower
    file: Path
    """Holds the id of the lease, for the next process with the same directory."""
    seconds: Callable[[], float] = seconds_since_boot


class OwnReplica:
    """This coordinator's entry for the others. It is written again after each loss of its lease.

    No other process works in its directory. So the lease in the file is that of a process that has ended, and ends too.
    """

    def __init__(self, ports: ReplicaPorts) -> None:
        self._ports = ports
        self._leases = Leases(ports.client, ports.lease)
        self._lease_seconds = ports.lease.total_seconds()
        self._lease = secrets.randbits(LEASE_ID_BITS) or 1
        self._former = 0
        self._place: FileLock | None = None
        self._own: Replica | None = None
        self._is_put = False
        self._renewed = self._proven_until = -self._lease_seconds
        self._is_alarmed = False
        self._told = ""
        self._missing = asyncio.Event()
        self._lock = asyncio.Lock()

    @property
    def replica(self) -> Replica | None:
        """The entry of this coordinator; None before the first `enter`."""
        return self._own

    def seconds_left(self) -> float:
        """See `Registry.lease_seconds`."""
        return self._proven_until - self._ports.seconds()

    async def enter(self, name: str, endpoint: str, version: ProcessVersion | None = None) -> int:
        """Enters this coordinator as serving. Returns the revision; 0 while etcd has not stored it.

        Raises DatabaseInUse where another process works in this directory.
        """
        try:
            self._keep_lease()
        except OSError as error:
            _log.error("%s: the next start of %s waits until its lease has ended", error, name)
        self._own = Replica(name, endpoint, 0, self._ports.lease, version or ProcessVersion())
        return await self._put_soon()

    async def confirm(self, change: int) -> int:
        """Confirms the change in force here. Returns the revision; 0 while etcd has not stored it."""
        if self._own is None or change <= self._own.confirmed:
            return 0
        self._own = replace(self._own, confirmed=change)
        return await self._put_soon()

    def look(self) -> None:
        """Looks at etcd's entries: where the own one is missing or another's, it enters again as soon as it can.

        A coordinator of an earlier version takes the place of one under its number without a look.
        """
        if self._own is not None and self._is_put and not self._is_there(self._own):
            self._lose()
            self._missing.set()

    async def run(self) -> None:
        """Extends the lease until it is cancelled."""
        pause = regular = min(_LONGEST_INTERVAL_SECONDS, self._lease_seconds / _RENEWALS_IN_LEASE)
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._missing.wait()
            self._missing.clear()
            pause = regular if await self.renew() else _AGAIN_SECONDS
            self._raise_alarm()

    async def renew(self) -> bool:
        """Extends the lease; where it may be lost, this coordinator enters again. Returns whether that was done.

        A lease of an etcd that has forgotten changes proves nothing.
        """
        async with self._lock:
            if self._own is None:
                return True
            if self._ports.follower.has_gone_back:
                self._lose()
                return False
            self.look()  # no listener is told of an entry that differs by its lease alone
            now = self._ports.seconds()
            if self._is_put and now - self._renewed <= self._lease_seconds * _PATIENCE_OF_LEASE:
                try:
                    if await self._ports.client.keep_alive(self._lease, ATTEMPT_SECONDS):
                        if self._is_put:  # it was not seen missing meanwhile
                            self._prove(now)
                        return True
                except (Unanswered, Rejected) as error:
                    _log.info("the lease of %s was not extended: %s", self._own.name, error)
                    return False
            await self._put(self._own)
            return self._is_put

    async def leave(self) -> None:
        """This coordinator serves no more."""
        own, self._own = self._own, None
        if own is None:
            return
        self._lose()
        if not self._ports.follower.has_gone_back:  # else nothing is written there
            await self._withdraw(own)
        if self._place is not None:
            self._place.release()
            self._place = None

    async def _withdraw(self, own: Replica) -> None:
        """Removes the entry and its lease."""
        key, end = self._ports.keys.replica(own.name), self._ports.seconds() + _LEAVING_SECONDS
        is_own = rpc_pb2.Compare(result=rpc_pb2.Compare.EQUAL, target=rpc_pb2.Compare.LEASE, key=key, lease=self._lease)
        gone = [_delete(each) for each in (key, self._ports.keys.entered(own.name))]
        async with self._lock:
            try:
                request = rpc_pb2.TxnRequest(compare=[is_own], success=gone)
                await self._ports.client.call(TRANSACTION, request, _LEAVING_SECONDS)
                await self._leases.revoke(self._lease, end - self._ports.seconds())
            except (Unanswered, Rejected) as error:
                _log.warning("%s counts as live until its lease runs out: %s", own.name, error)

    def _keep_lease(self) -> None:
        """Learns the lease of the former process, and keeps its own for the next. Raises DatabaseInUse, or OSError."""
        self._place = self._place or FileLock(self._ports.file)
        former, place = _kept(self._ports.file), _place(self._ports.file)
        self._former = former[1] if former is not None and former[0] == place else 0
        replace_file(self._ports.file, f"{place}\n{self._lease}\n".encode())

    def _prove(self, sent: float) -> None:
        if not self._ports.follower.has_gone_back:  # found meanwhile
            self._renewed, self._proven_until = sent, sent + self._lease_seconds * _PROVEN_PART

    def _is_there(self, own: Replica) -> bool:
        return self._ports.copy.lease_of(self._ports.keys.replica(own.name)) == self._lease

    def _lose(self) -> None:
        self._is_put, self._proven_until = False, -self._lease_seconds

    async def _put_soon(self) -> int:
        """Puts it now, or as soon as etcd answers."""
        async with self._lock:
            revision = await self._put(self._own) if self._own is not None else 0
        if not self._is_put:
            self._missing.set()
        return revision

    async def _put(self, own: Replica) -> int:
        """Puts the entry. After a gap the lease proves nothing before the router acts by all that came in it."""
        sent, seconds, seen = self._ports.seconds(), self._ports.patience(), self._ports.copy.revision
        try:
            stood = await self._leases.extend(self._lease, seconds)
            if not stood:
                self._lose()
            revision = await self._write(own, seconds - (self._ports.seconds() - sent), seen)
        except (Unanswered, Rejected) as error:
            self._is_put = False
            # Tried again at once, and told once.
            _log.log(logging.WARNING if str(error) != self._told else logging.DEBUG, _NOT_YET, own.name, error)
            self._told = str(error)
            return 0
        if not self._is_put and not await self._ports.follower.contains(revision):
            _log.warning("%s is entered in etcd, and does not know yet what is there", own.name)
            return 0
        if not self._is_put and not self._is_there(own):
            return 0  # it was missing or another's again meanwhile
        self._is_put, self._told = True, ""
        self._prove(sent)
        return revision

    async def _write(self, own: Replica, seconds: float, seen: int) -> int:
        """Puts the entry in place of an own one, or of none, into an etcd that has not gone back behind `seen`.

        Raises Unanswered, or Rejected.
        """
        client, key, end = self._ports.client, self._ports.keys.replica(own.name), self._ports.seconds() + seconds
        read = await client.call(RANGE, rpc_pb2.RangeRequest(key=key), seconds)
        self._ports.follower.require_onward(read.header.revision, seen)
        found = read.kvs
        at = found[0].mod_revision if found else 0
        if self._former and found and found[0].lease == self._former:
            await self._leases.revoke(self._former, end - self._ports.seconds())
            at = 0
        elif found and found[0].lease != self._lease:
            self._lose()
            raise Unanswered("another process is entered under this number, until its lease ends")
        entered = values.encode_replica(replace(own, confirmed=0))
        is_unchanged = rpc_pb2.Compare(
            result=rpc_pb2.Compare.EQUAL, target=rpc_pb2.Compare.MOD, key=key, mod_revision=at
        )
        request = rpc_pb2.TxnRequest(
            compare=[is_unchanged],
            success=[
                _put(rpc_pb2.PutRequest(key=key, value=values.encode_replica(own), lease=self._lease)),
                _put(rpc_pb2.PutRequest(key=self._ports.keys.entered(own.name), value=entered)),
            ],
        )
        response = await client.call(TRANSACTION, request, end - self._ports.seconds())
        if not response.succeeded:
            raise Unanswered("the entry has changed meanwhile")
        self._ports.follower.require_onward(response.header.revision, seen)
        return response.header.revision

    def _raise_alarm(self) -> None:
        """Logs once that the lease is not proven any more, and once that it is again."""
        is_lost = self._own is not None and self.seconds_left() <= 0
        if is_lost and not self._is_alarmed:
            _log.error("this coordinator cannot prove its lease: it forwards nothing until etcd answers it")
        elif self._is_alarmed and not is_lost:
            _log.warning("this coordinator has proven its lease: it forwards again")
        self._is_alarmed = is_lost


class Lingering:
    """Coordinators that entered, do not live, and were not seen to lose their lease, by this machine's clock."""

    def __init__(self, lease: timedelta, seconds: Callable[[], float] = seconds_since_boot) -> None:
        """`lease`: for those that give none."""
        self._lease = lease
        self._seconds = seconds
        self._since: dict[str, float] = {}

    def look_at(self, snapshot: Snapshot) -> list[tuple[Replica, float]]:
        """Takes a snapshot. Returns those with the seconds for which their lease may last."""
        now, gone = self._seconds(), snapshot.entered.keys() - snapshot.replicas.keys() - snapshot.ended
        self._since = {name: self._since.get(name, now) for name in gone}
        found = []
        for name, since in sorted(self._since.items()):
            replica = snapshot.entered[name]
            left = since + (replica.lease or self._lease).total_seconds() - now
            if left > 0:
                found.append((replica, left))
        return found


def _put(request: rpc_pb2.PutRequest) -> rpc_pb2.RequestOp:
    return rpc_pb2.RequestOp(request_put=request)


def _delete(key: bytes) -> rpc_pb2.RequestOp:
    return rpc_pb2.RequestOp(request_delete_range=rpc_pb2.DeleteRangeRequest(key=key))


def _place(file: Path) -> str:
    """The place that a lock keeps: on a machine that has not been started since, in a directory that is no copy.

    Anywhere else, the process of the file may still run. Raises OSError.
    """
    lock = Path(f"{file}.lock").stat()
    return f"{_BOOT.read_text().strip()} {lock.st_dev} {lock.st_ino}"


def _kept(file: Path) -> tuple[str, int] | None:
    """The place and the lease of the former process; None where there was none. Raises OSError."""
    try:
        place, lease = file.read_text("utf-8", "replace").splitlines()
    except (FileNotFoundError, ValueError):
        return None
    return (place, int(lease)) if lease.isdecimal() else None
