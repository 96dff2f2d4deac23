"""`coordinator backups` where etcd has the registry: snapshots, proven by an etcd of their own, and a lost cluster."""

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coordinator.registry.etcd.last_good import LastGood
from coordinator.registry.etcd.settings import EtcdSettings
from coordinator.registry.etcd.snapshots import SNAPSHOT, EtcdSnapshots, verified
from deploy.local.etcd import LocalEtcd
from deploy.local.process import wait_until
from gateway.backups import room
from gateway.backups.refused import CopyFailed
from gateway.errors import Refused
from tests.contract.coordinators import eventually
from tests.contract.doctors import checks
from tests.contract.programs import COORDINATOR, PATIENCE_S, Installation
from tests.contract.registries import ADMIN, EtcdRegistries, run, state
from tests.contract.test_backups import commit, with_repository
from tests.contract.test_doctor_stores import use

restic = pytest.mark.skipif(shutil.which("restic") is None, reason="not there: run deploy/build/services.sh restic")
HELD = """import asyncio, pathlib, sys
from coordinator.registry.etcd.scratch import served

async def hold():
    async with served(*map(pathlib.Path, sys.argv[1:])):
        print("serves", flush=True)
        await asyncio.Event().wait()

asyncio.run(hold())
"""
NAME, ENDPOINT = "coordinator/0", "127.0.0.1:7443"


def installation(cluster: LocalEtcd, directory: Path) -> Installation:
    """A coordinator on a cluster, with a repository and a commit in its archive."""
    installed = with_repository(Installation.make(COORDINATOR, directory))
    use(installed, cluster.endpoints, cluster.credentials())
    assert installed.run("migrate").exit_code == 0
    commit(installed, "first")
    return installed


async def suspend(registries: EtcdRegistries, region: str) -> None:
    async with registries() as registry:
        await registry.suspend(region, note="why", actor=ADMIN)


@restic
@pytest.mark.long("restic, and an etcd twice")
def test_a_drill_restores_database_and_etcd_and_names_cluster_and_revision(
    etcd_cluster: LocalEtcd, tmp_path: Path
) -> None:
    registries = EtcdRegistries.of(etcd_cluster, tmp_path)
    run(suspend(registries, "henan"))
    installed = installation(etcd_cluster, tmp_path)
    created = installed.run("backups", "create", "--json")
    assert created.exit_code == 0, created.output
    run(suspend(registries, "sichuan"))
    drilled = installed.run("backups", "drill", "--json")
    assert drilled.exit_code == 0, drilled.output
    proof = json.loads(drilled.stdout)
    kept = LastGood(tmp_path / "a").load()
    assert kept is not None
    assert proof["shared"]["cluster"] == f"{kept.cluster:x}"
    assert proof["shared"]["revision"] == kept.revision, "with what was changed after the copy"
    assert proof["shared"]["entries"] > 0
    assert proof["restored_in_seconds"] > 0
    assert proof["shared_age_seconds"] > 0
    told = installed.run("backups", "verify")
    assert (told.exit_code, f"etcd: cluster {kept.cluster:x}, revision" in told.output) == (0, True), told.output
    assert not (Path(installed.settings["data"]) / "backup").exists()


@restic
@pytest.mark.long("restic, and etcd twice")
def test_a_lost_cluster_is_restored_from_a_copy_and_taken_once_an_administrator_has_accepted_it(
    etcd_alone: LocalEtcd, tmp_path: Path
) -> None:
    registries = EtcdRegistries.of(etcd_alone, tmp_path)
    run(suspend(registries, "henan"))
    installed, file = installation(etcd_alone, tmp_path), tmp_path / "registry.db"
    assert installed.run("backups", "create").exit_code == 0
    run(suspend(registries, "sichuan"))
    former = LastGood(tmp_path / "a").load()
    assert former is not None
    etcd_alone.kill()
    away = installed.run("backups", "create")
    assert (away.exit_code, "etcd: " in away.output) == (1, True), away.output
    extracted = installed.run("backups", "extract-registry", str(file), "--json")
    assert extracted.exit_code == 0, extracted.output
    told = json.loads(extracted.stdout)
    assert (told["cluster"], told["revision"] < former.revision) == (f"{former.cluster:x}", True)
    assert installed.run("backups", "extract-registry", str(file)).exit_code == 1, "a file is never replaced"
    etcd_alone.restore(file)

    async def scenario() -> None:
        async with registries() as registry:
            with pytest.raises(Refused):
                await registry.reinstate("henan", actor=ADMIN)
            assert state(registry, "sichuan") == "SUSPENDED", "the last good copy is in use"
        LastGood(tmp_path / "a").path.unlink()
        async with registries() as registry:
            await registry.enter(NAME, ENDPOINT)
            await eventually(lambda: registry.lease_seconds() > 0)
            assert state(registry, "henan") == "SUSPENDED"
            assert state(registry, "sichuan") != "SUSPENDED", "the copy is older"
            await registry.suspend("sichuan", note="again", actor=ADMIN)

    run(scenario())
    restored = LastGood(tmp_path / "a").load()
    assert restored is not None
    assert restored.cluster != former.cluster


@restic
@pytest.mark.slow
def test_without_the_programs_of_etcd_the_database_is_copied_alone_and_each_command_says_so(
    etcd_cluster: LocalEtcd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed, programs = installation(etcd_cluster, tmp_path), tmp_path / "programs"
    programs.mkdir()
    (programs / "restic").symlink_to(str(shutil.which("restic")))
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(programs))
        created = installed.run("backups", "create")
        assert (created.exit_code, "etcdutl is not installed" in created.output) == (1, True), created.output
        archived = installed.run("backups", "archive")
        assert (archived.exit_code, "etcdutl is not installed" in archived.output) == (1, True), archived.output
        assert checks(installed.run("doctor", "--json"))["copies of etcd"][0] == "bad"
    assert len(json.loads(installed.run("backups", "list", "--json").stdout)) == 1
    for verb in ("verify", "drill"):
        proven = installed.run("backups", verb)
        assert (proven.exit_code, "no snapshot of etcd" in proven.stderr) == (0, True), proven.output
    extracted = installed.run("backups", "extract-registry", str(tmp_path / "registry.db"))
    assert (extracted.exit_code, "no snapshot of etcd" in extracted.output) == (1, True)


def test_a_disk_without_room_takes_no_snapshot_and_restores_none(
    etcd_cluster: LocalEtcd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots = EtcdSnapshots(EtcdSettings(etcd_cluster.endpoints, etcd_cluster.credentials()))
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    snapshots.copy(first, datetime.now(UTC))
    monkeypatch.setattr(room, "LEAST_FREE_BYTES", 1 << 62)
    with pytest.raises(CopyFailed, match="have to stay free"):
        snapshots.prove(first)
    with pytest.raises(CopyFailed, match="have to stay free"):
        snapshots.copy(second, datetime.now(UTC))
    assert (second / SNAPSHOT).stat().st_size == 0


def test_a_snapshot_that_is_torn_or_differs_from_its_manifest_proves_nothing(
    etcd_cluster: LocalEtcd, tmp_path: Path
) -> None:
    run(suspend(EtcdRegistries.of(etcd_cluster, tmp_path), "henan"))
    snapshots = EtcdSnapshots(EtcdSettings(etcd_cluster.endpoints, etcd_cluster.credentials()))
    copy = tmp_path / "copy"
    copy.mkdir()
    assert snapshots.prove(copy) is None, "there is none to prove"
    with pytest.raises(CopyFailed, match="has no snapshot"):
        verified(copy)
    snapshots.copy(copy, datetime.now(UTC))
    manifest = copy / "registry.json"
    told = manifest.read_text()
    manifest.write_text(told.replace(verified(copy).hash, "0" * 64))
    with pytest.raises(CopyFailed, match="differs from its manifest"):
        snapshots.prove(copy)
    manifest.write_text(told.replace('"revision": ', '"revision": 9'))
    with pytest.raises(CopyFailed, match="its manifest says 9"):
        verified(copy)
    manifest.write_text(told)
    with (copy / SNAPSHOT).open("r+b") as file:
        file.seek(1 << 12)
        file.write(b"\xff")
    with pytest.raises(CopyFailed, match="no whole snapshot"):
        snapshots.prove(copy)


def test_the_etcd_of_a_drill_ends_with_a_process_that_is_killed(etcd_cluster: LocalEtcd, tmp_path: Path) -> None:
    snapshots = EtcdSnapshots(EtcdSettings(etcd_cluster.endpoints, etcd_cluster.credentials()))
    snapshots.copy(tmp_path, datetime.now(UTC))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    words = [sys.executable, "-c", HELD, str(tmp_path / SNAPSHOT), str(scratch)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "serves\n"
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert os.readlink(f"/proc/{child}/exe").endswith("/etcd")
        process.kill()
    wait_until(lambda: not Path(f"/proc/{child}/exe").exists(), PATIENCE_S, "the etcd has ended")


def test_a_member_that_is_down_hands_the_snapshot_to_the_next_one(etcd_cluster: LocalEtcd, tmp_path: Path) -> None:
    snapshots = EtcdSnapshots(EtcdSettings(etcd_cluster.endpoints, etcd_cluster.credentials()))
    etcd_cluster.kill_member(0)
    try:
        for number in range(len(etcd_cluster.endpoints)):
            copy = tmp_path / str(number)
            copy.mkdir()
            snapshots.copy(copy, datetime.now(UTC))
            assert verified(copy).revision > 0
    finally:
        etcd_cluster.start()
