"""Upgrades under load, and the way back: no call fails in the end, and no order is lost or doubled.

Each process is replaced by itself, so that all pairs of versions meet: coordinator and node, node and node, and two
processes of one region on one database.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coordinator.cli.upgrade.rules import Plan, StepKind, is_coordinator, plan_of
from deploy.local.process import wait_until
from deploy.local.profiles import PRODUCTION, Profile
from deploy.releases import ReleaseError, releases
from gateway.api.federation.v1.federation_pb2 import ProcessVersion
from tests.engines import ETCD, POSTGRESQL, require_engine
from tests.rolling.replacing import Ending
from tests.rolling.trees import PRESENT, next_version, tree_of
from tests.rolling.upgrading import TWO_ENGINES, Upgrading

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.parametrize("shape", [TWO_ENGINES, PRODUCTION], ids=lambda shape: shape.name),
]
PATIENCE = 90.0  # seconds, on a busy machine
REGIONS = ["guangdong-0", "guangdong-1", "sichuan", "henan"]


@contextmanager
def federation_at(tree: Path, directory: Path, shape: Profile) -> Iterator[Upgrading]:
    for engine in [ETCD, POSTGRESQL] if shape.etcd_members else [POSTGRESQL]:
        require_engine(engine)
    made = Upgrading(directory, tree, shape)
    try:
        made.build(tree / "deploy" / "federation")
        yield made
    finally:
        made.close()


def await_done(upgrading: Upgrading) -> Plan:
    """The plan once each process has told its version, by a heartbeat."""

    def plan() -> Plan:
        return plan_of(upgrading.listed(), ProcessVersion())

    wait_until(lambda: plan().is_done, PATIENCE, "all are at one version")
    return plan()


def test_all_are_put_to_the_next_version_and_back(tmp_path: Path, shape: Profile) -> None:
    later = next_version(tmp_path / "later")
    with federation_at(PRESENT, tmp_path / "federation", shape) as upgrading:
        coordinators, order = [each.name for each in upgrading.federation.coordinators], list(upgrading.names)
        assert order == [*coordinators, *REGIONS]
        await_done(upgrading)
        for name in order:
            upgrading.replace(name, later)
        plan = await_done(upgrading)
        assert {(each.kind, each.member) for each in plan.steps} == {
            (StepKind.CONTRACT, member) for member in ("coordinator", "guangdong", "sichuan", "henan")
        }
        for name in reversed(order):
            upgrading.replace(name, PRESENT, Ending.KILL)
        plan = await_done(upgrading)
        # Of the coordinators, only the one that answers says what its database has.
        found = [each.version.newer_files for each in plan.processes if not is_coordinator(each.member)]
        first = next(each.version.newer_files for each in plan.processes if is_coordinator(each.member))
        assert {first, *found} == {1}, "the next version's file only adds"
        upgrading.require_nothing_lost()


def test_the_last_release_is_put_to_the_present_version_and_back(tmp_path: Path, shape: Profile) -> None:
    try:
        old = tree_of(releases()[-1].commit, tmp_path / "old")
    except ReleaseError as error:
        pytest.skip(str(error))
    with federation_at(old, tmp_path / "federation", shape) as upgrading:
        for name in upgrading.names:
            upgrading.replace(name, PRESENT)
        await_done(upgrading)
        for name in reversed(upgrading.names):
            upgrading.replace(name, old, Ending.KILL)
        await_done(upgrading)
        upgrading.require_nothing_lost()
