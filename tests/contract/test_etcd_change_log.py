"""`coordinator backups` with the changes of etcd behind a snapshot: archived, made again, and compared with etcd."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from etcd3.etcdrpc import rpc_pb2

from coordinator.registry.etcd import client as etcd_client
from coordinator.registry.etcd.change_log import ChangeLog
from coordinator.registry.etcd.client import DELETE, GRANT, PUT, RANGE, TRANSACTION, EtcdClient, Method
from coordinator.registry.etcd.last_good import LastGood
from coordinator.registry.etcd.settings import EtcdSettings
from coordinator.registry.etcd.snapshots import EtcdSnapshots, write_snapshot
from deploy.local.etcd import LocalEtcd
from gateway.backups.history import History
from gateway.backups.refused import ArchiveGap, CopyFailed
from gateway.backups.server_programs import run as run_program
from gateway.backups.shared_store import CHANGES
from gateway.time.clock import SystemClock
from tests.contract.registries import EtcdRegistries, run, state
from tests.contract.test_etcd_backups import installation, restic, suspend

COMPACT = Method("/etcdserverpb.KV/Compact", rpc_pb2.CompactionRequest, rpc_pb2.CompactionResponse)
FRAGMENT_BYTES = 2 << 20  # of which etcd makes a fragment: its largest request, and 512 KiB
MANY = 200  # more than etcd takes in one transaction


def settings_of(cluster: LocalEtcd) -> EtcdSettings:
    return EtcdSettings(cluster.endpoints, cluster.credentials())


def at_etcd(cluster: LocalEtcd, scenario: Callable[[EtcdClient], Awaitable[None]]) -> None:
    """Runs calls to the cluster."""

    async def called() -> None:
        client = EtcdClient(settings_of(cluster), SystemClock())
        try:
            await scenario(client)
        finally:
            await client.close()

    asyncio.run(called())


async def put(client: EtcdClient, key: str, value: str, lease: int = 0) -> None:
    await client.call(PUT, rpc_pb2.PutRequest(key=key.encode(), value=value.encode(), lease=lease))


async def many_changes(client: EtcdClient) -> None:
    """An entry changed twice, many removed at once, and one that lives by a lease now."""
    await put(client, "twice", "second")
    await put(client, "twice", "third")
    await client.call(DELETE, rpc_pb2.DeleteRangeRequest(key=b"many/", range_end=b"many0"))
    granted = await client.call(GRANT, rpc_pb2.LeaseGrantRequest(TTL=600))
    await put(client, "leased", "now", granted.ID)


@pytest.fixture
def copied(etcd_alone: LocalEtcd, tmp_path: Path) -> Path:
    """The directory of a copy, with a log that has what was changed since."""

    async def before(client: EtcdClient) -> None:
        await put(client, "twice", "first")
        await put(client, "leased", "for good")
        for number in range(MANY):
            await put(client, f"many/{number}", "")

    at_etcd(etcd_alone, before)
    directory, snapshots = tmp_path / "copy", EtcdSnapshots(settings_of(etcd_alone))
    directory.mkdir()
    snapshots.copy(directory, datetime.now(UTC))
    snapshots.begin(directory / CHANGES, directory)
    at_etcd(etcd_alone, many_changes)
    snapshots.extend(directory / CHANGES)
    return directory


def test_what_was_changed_behind_a_snapshot_is_made_again_without_entries_that_live_by_a_lease(
    etcd_alone: LocalEtcd, copied: Path
) -> None:
    proven = EtcdSnapshots(settings_of(etcd_alone)).prove(copied)
    assert proven is not None
    assert proven.entries == 1, "the entry that was changed twice"
    assert proven.revision == ChangeLog(copied / CHANGES).parts()[-1].last


def test_a_written_snapshot_is_told_by_its_own_revision_and_by_the_last_change_in_it(
    copied: Path, tmp_path: Path
) -> None:
    file = tmp_path / "written.db"
    written, changes_up_to = write_snapshot(copied, file)
    status = json.loads(run_program("etcdutl", "snapshot", "status", str(file), "--write-out=json"))
    assert written.revision == status["revision"]
    assert changes_up_to == ChangeLog(copied / CHANGES).parts()[-1].last
    assert changes_up_to != written.revision, "the removal of many entries takes two transactions"


def test_a_log_that_gives_another_content_than_etcd_has_proves_nothing(etcd_alone: LocalEtcd, copied: Path) -> None:
    last = ChangeLog(copied / CHANGES).parts()[-1]
    changes = last.read()
    kept = [each for each in changes.events if each.kv.value != b"third"]
    altered = rpc_pb2.WatchResponse(header=changes.header, events=kept)
    last.path.write_bytes(altered.SerializeToString())
    with pytest.raises(CopyFailed, match="another content"):
        EtcdSnapshots(settings_of(etcd_alone)).prove(copied)


def test_changes_that_exceed_a_message_come_in_fragments_and_no_revision_is_cut(
    etcd_alone: LocalEtcd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(etcd_client, "_MAX_MESSAGE_BYTES", FRAGMENT_BYTES + (FRAGMENT_BYTES >> 2))
    log, value = ChangeLog(tmp_path / "changes"), bytes(FRAGMENT_BYTES * 2 // 9)
    keys = [b"large/%d" % number for number in range(3)]
    puts = [rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=key, value=value)) for key in keys]

    async def stormy(client: EtcdClient) -> None:
        present = await client.read([])
        log.begin(present.cluster, present.revision)
        for _ in range(2):
            await client.call(TRANSACTION, rpc_pb2.TxnRequest(success=puts))
        await log.extend(client)

    at_etcd(etcd_alone, stormy)
    assert [each.kv.key for part in log.parts() for each in part.read().events] == keys * 2


def test_changes_that_etcd_has_compacted_are_a_gap(etcd_alone: LocalEtcd, copied: Path) -> None:
    async def compacted(client: EtcdClient) -> None:
        await put(client, "lost", "a change")
        await put(client, "lost", "another")
        found = await client.call(RANGE, rpc_pb2.RangeRequest(key=b"lost"))
        await client.call(COMPACT, rpc_pb2.CompactionRequest(revision=found.header.revision))

    at_etcd(etcd_alone, compacted)
    with pytest.raises(ArchiveGap, match="compacted"):
        EtcdSnapshots(settings_of(etcd_alone)).extend(copied / CHANGES)


def test_an_etcd_that_was_made_anew_does_not_continue_a_log(etcd_alone: LocalEtcd, copied: Path) -> None:
    log = copied / CHANGES
    ChangeLog(log).begin(1, 1)
    with pytest.raises(ArchiveGap, match="made anew"):
        EtcdSnapshots(settings_of(etcd_alone)).extend(log)


@restic
@pytest.mark.long("restic, and etcd four times")
def test_a_lost_cluster_is_restored_with_what_was_changed_after_the_last_copy(
    etcd_alone: LocalEtcd, tmp_path: Path
) -> None:
    registries = EtcdRegistries.of(etcd_alone, tmp_path)
    run(suspend(registries, "henan"))
    installed, file = installation(etcd_alone, tmp_path), tmp_path / "registry.db"
    assert installed.run("backups", "create").exit_code == 0
    run(suspend(registries, "sichuan"))
    archived = installed.run("backups", "archive")
    assert archived.exit_code == 0, archived.output
    drilled = installed.run("backups", "drill", "--json")
    assert drilled.exit_code == 0, drilled.output
    proof = json.loads(drilled.stdout)["shared"]
    former = LastGood(tmp_path / "a").load()
    assert former is not None
    assert proof["revision"] >= former.revision
    etcd_alone.kill()
    data = Path(installed.settings["data"])
    before = History.read(data)
    away = installed.run("backups", "archive")
    assert (away.exit_code, "etcd: " in away.output) == (1, True), away.output
    after = History.read(data)
    assert (after.archive_time != before.archive_time, after.changes_time) == (True, before.changes_time)
    extracted = installed.run("backups", "extract-registry", str(file), "--json")
    assert extracted.exit_code == 0, extracted.output
    assert json.loads(extracted.stdout)["changes_up_to"] == proof["revision"]
    etcd_alone.restore(file)
    LastGood(tmp_path / "a").path.unlink()

    async def scenario() -> None:
        async with registries() as registry:
            assert state(registry, "henan") == "SUSPENDED"
            assert state(registry, "sichuan") == "SUSPENDED", "it is of the log"

    run(scenario())


@restic
@pytest.mark.long("restic, and an etcd")
@pytest.mark.parametrize("verb", ["archive", pytest.param("drill", marks=pytest.mark.slow)])
def test_a_gap_in_the_changes_has_everything_copied_and_the_log_begun_anew(
    etcd_alone: LocalEtcd, tmp_path: Path, verb: str
) -> None:
    installed = installation(etcd_alone, tmp_path)
    assert installed.run("backups", "create").exit_code == 0
    log = Path(installed.settings["data"]) / CHANGES
    for part in log.iterdir():
        part.unlink()
    told = installed.run("backups", verb)
    assert (told.exit_code, "everything is copied" in told.stderr) == (0, True), told.output
    assert len(json.loads(installed.run("backups", "list", "--json").stdout)) == 2
    assert ChangeLog(log).parts()
