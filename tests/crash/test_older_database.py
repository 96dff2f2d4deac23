"""A region is killed, and its database replaced by an older copy: two people accept that, and orders stand again."""

import re
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from deploy.local.federation import FEDERATION
from deploy.local.process import wait_until
from deploy.local.profiles import Engine
from gateway.api.region.v1.order_pb2 import OrderState
from tests import preloaded
from tests.crash.outcome import require_effect, require_one_effect
from tests.crash.regions import CALL_SECONDS, HOME, SETTLED_SECONDS, order_id_of
from tests.crash.scene import Scene

FINISHED = "SELECT COUNT(*) FROM catch_ups WHERE finish_time IS NOT NULL"


class Staff:
    """A member of a region's staff, with the commands."""

    def __init__(self, scene: Scene, name: str, region: str = HOME) -> None:
        self._scene = scene
        self._region = region
        self._credentials = scene.federation.issue_staff(region, name)

    def run(self, *words: str) -> preloaded.Ended:
        """Runs `region-node` to its end."""
        environment = {
            "CROSSREGION_NODE": self._scene.federation.endpoint(self._region),
            "CROSSREGION_CREDENTIALS": str(self._credentials),
            "CROSSREGION_FEDERATION": FEDERATION,
            "CROSSREGION_REGION": self._region,
            "CROSSREGION_LANG": "en",
        }
        return preloaded.run("region_node.cli.main", *words, environment=environment)

    def says(self, *words: str) -> str:
        """The output of a command that works."""
        ended = self.run(*words)
        assert ended.code == 0, ended
        return ended.out


def copy_of(file: Path, to: Path) -> None:
    """Copies a database beside the process that writes it, as a backup does."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as source, closing(sqlite3.connect(to)) as copy:
        source.backup(copy)


def back_up(scene: Scene, to: Path, region: str = HOME) -> None:
    """Copies the database of a region once it has no question about its start: a late answer finds a second loss."""
    asked, records = "SELECT COUNT(*) FROM receipt_questions", scene.records(region)
    wait_until(lambda: records.count(asked) == 0, SETTLED_SECONDS, f"{region} has asked for its receipts")
    copy_of(scene.federation.database(region).file, to)


def put_back(scene: Scene, copy: Path, region: str = HOME) -> None:
    """Kills a region, and starts it on an older database once the coordinator has a head that this one lacks."""
    file, records = scene.federation.database(region).file, scene.records(region)
    end = records.count("SELECT MAX(sequence) FROM audit")
    coordinator = scene.federation.database(scene.federation.coordinators[0].name).file

    def is_kept() -> bool:
        with closing(sqlite3.connect(f"file:{coordinator}?mode=ro", uri=True)) as heads:
            kept = heads.execute("SELECT sequence FROM audit_heads WHERE region = ?", (region,)).fetchone()
        return kept is not None and kept[0] >= end

    wait_until(is_kept, CALL_SECONDS, "the coordinator keeps the head")
    scene.kill(region)
    for left in file.parent.glob(f"{file.name}-*"):
        left.unlink()
    shutil.copy(copy, file)
    scene.restart(region)


def accept(staff: Sequence[Staff], loss: str = "1") -> None:
    """Two people accept the loss by commands."""
    first, second = staff
    waits = first.run("recovery", "accept", loss, "INC-1")
    assert waits.code == 1, waits
    found = re.search(r"approval-\d+", waits.err)
    assert found is not None, waits
    second.says("approvals", "confirm", found[0])
    first.says("recovery", "accept", loss, "INC-1")


@pytest.mark.slow
@pytest.mark.guarantee("G2", "G4")
def test_orders_that_were_acknowledged_stand_again_after_an_older_database_was_put_back(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "scene", Engine.SQLITE, None)
    try:
        scene.build()
        staff = [Staff(scene, name) for name in ("wang", "zhao")]
        scene.require_well()
        copy = tmp_path / "copy"
        back_up(scene, copy)
        requests = [scene.request(business) for business in ("PAY", "SUSPEND", "PAY")]
        for request in requests:
            assert scene.submit(request, wait=CALL_SECONDS / 2).state == OrderState.ORDER_STATE_COMPLETED
        put_back(scene, copy)

        def is_fenced() -> bool:
            shown = staff[0].run("recovery", "show")
            return shown.code == 0 and "serves nothing until" in shown.out

        wait_until(is_fenced, CALL_SECONDS, "the region has found that its database is behind")
        assert [scene.home.order(order_id_of(each)) for each in requests] == [None] * len(requests)
        accept(staff)
        wait_until(lambda: scene.home.count(FINISHED) == 1, SETTLED_SECONDS, "the other region has told everything")
        for request in requests:
            replica, owned = (records.order(order_id_of(request)) for records in (scene.handling, scene.home))
            assert replica is not None
            assert owned is not None
            assert (owned.state, owned.version) == (replica.state, replica.version)
            require_effect(scene, request)
        assert "The region serves." in staff[0].says("recovery", "show")
        assert scene.home.count("SELECT COUNT(*) FROM lost_commands") == 0, staff[0].says("recovery", "losses")
        later = scene.pay()
        scene.submit_again(later)
        require_one_effect(scene, later)
    finally:
        scene.close()
