"""A node of the last release beside one of the present tree, in one federation: content unknown to the old one waits.

`OLD=<commit>` takes a node of that commit instead. For a command of a new arm, the arm is removed from the old node's
contract before it starts.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import pytest
from google.protobuf.json_format import MessageToDict

from deploy.local.federation import LocalFederation
from deploy.local.process import Program, Started, wait_until
from deploy.releases import extract, releases
from gateway.api.coordinator.v1.administration_pb2 import ListRegionsRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.rpc.channels import invoke
from tests import preloaded
from tests.crash.regions import CALL_SECONDS, HANDLING, HOME, TwoRegions
from tests.rolling.trees import Trees

ARM, ITS_PLACE = "    ExpediteRequest expedite = 6;\n", "protos/gateway/api/region/v1/order_envelopes.proto"
PATIENCE_S = 60.0


class OldBesideNew(TwoRegions):
    """The home region runs an old tree until it is upgraded; all others run the present one."""

    def __init__(self, directory: Path, old: Path) -> None:
        super().__init__(LocalFederation(directory, (HANDLING, HOME), launcher=self._launch))
        self._old: Path | None = old

    def upgrade(self) -> None:
        """Replaces the old node by one of the present tree, on the same database."""
        process = self.federation.processes[HOME]
        assert process.stop() == 0, process.last_lines()
        self._old = None
        settings = self.federation.settings_file(HOME)
        migration = [sys.executable, "-m", "region_node.cli.main", "migrate", "--settings", str(settings)]
        subprocess.run(migration, check=True, stdout=subprocess.DEVNULL)
        process.start()

    def waiting(self) -> list[dict[str, object]]:
        """The waiting envelopes of the origin region, in an administrator's response."""
        return self.run(self._waiting())

    def _launch(self, program: Program, environment: Mapping[str, str], log: IO[bytes]) -> Started:
        if program.name != HOME or self._old is None:
            return preloaded.launch(program, environment, log)
        return Trees(self._old).launch(program, environment, log)

    async def _waiting(self) -> list[dict[str, object]]:
        async with self.federation.dial_coordinator() as channel:
            listed = await invoke(MembershipServiceStub(channel).ListRegions, ListRegionsRequest(), CALL_SECONDS)
        (report,) = (each.report for each in listed.members if each.region == HANDLING)
        told = [MessageToDict(each, preserving_proto_field_name=True) for each in report.waiting]
        return [{name: each[name] for name in ("destination", "reason", "count")} for each in told]


@pytest.fixture(name="old", scope="module")
def an_old_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of the last release, without the arm."""
    listed = releases()
    commit = os.environ.get("OLD") or (listed[-1].commit if listed else "")
    if not commit:
        pytest.skip("deploy/releases.yaml lists no release yet")
    tree = tmp_path_factory.mktemp("old")
    extract(commit, tree)
    contract = (tree / ITS_PLACE).read_text()
    assert ARM in contract, f"{commit} has no such arm: take another"
    (tree / ITS_PLACE).write_text(contract.replace(ARM, ""))
    subprocess.run([sys.executable, "protos/generate.py"], cwd=tree, check=True, stdout=subprocess.DEVNULL)
    return tree


@pytest.fixture(name="scene")
def an_old_node_beside_new_ones(tmp_path: Path, old: Path) -> Iterator[OldBesideNew]:
    scene = OldBesideNew(tmp_path / "federation", old)
    try:
        scene.federation.prepare()
        scene.start(old / "deploy" / "federation")
        scene.open_counters(scene.federation.endpoint(HANDLING))
        yield scene
    finally:
        scene.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_command_of_a_new_arm_is_kept_told_and_done_after_the_upgrade(scene: OldBesideNew) -> None:
    order = scene.submit(scene.suspend(start=scene.in_a_week()), wait=CALL_SECONDS / 2)
    assert order.awaiting.action == "agreed-time"
    wait_until(lambda: not scene.handling.open_envelopes(order.id), PATIENCE_S, "the old node has answered")
    scene.expedite(order.id)
    kept = {"destination": HOME, "reason": "REASON_UPGRADE_REQUIRED", "count": 1}
    wait_until(lambda: scene.waiting() == [kept], PATIENCE_S, "an administrator is told what waits")
    (envelope,) = scene.handling.open_envelopes(order.id)

    another = scene.submit(scene.suspend(), wait=CALL_SECONDS / 2)
    assert another.state == OrderState.ORDER_STATE_COMPLETED, "others go on meanwhile"
    assert scene.handling.open_envelopes(order.id) == [envelope]
    assert not scene.get(order.id).expedites

    scene.upgrade()
    wait_until(lambda: not scene.handling.open_envelopes(order.id), PATIENCE_S, "it is acted on after the upgrade")
    assert [each.staff_id for each in scene.get(order.id).expedites] == ["c-17"]
    wait_until(lambda: scene.waiting() == [], PATIENCE_S, "nothing waits any more")
    told = scene.federation.processes[HANDLING].log.read_text("utf-8", "replace")
    assert "BATCH_UNREADABLE" not in told, "the old node is sent batches with keys of their own"
