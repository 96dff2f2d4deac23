"""Regions are put back to older copies at random, again and again: they contradict nobody, and do nothing twice."""

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.process import wait_until
from deploy.local.profiles import Engine
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest
from tests.crash.outcome import require_effect
from tests.crash.records import Records
from tests.crash.regions import CALL_SECONDS, HANDLING, HOME, SETTLED_SECONDS, order_id_of
from tests.crash.scene import Scene
from tests.crash.test_older_database import Staff, accept, back_up, put_back

COUNT = int(os.environ.get("RESTORES", "3"))
SEED = int(os.environ.get("RESTORES_SEED", "20"))
COPIES = 3  # of which the newest ones can be put back: a region keeps no older backups


@dataclass
class Region:
    """A region that is put back, with its copies, the oldest first."""

    name: str
    staff: Sequence[Staff]
    copies: list[Path]


def require_the_same(scene: Scene, requests: Sequence[SubmitOrderRequest]) -> None:
    """Each order stands in both regions alike, and has had its effect once."""
    for request in requests:
        replica, owned = (records.order(order_id_of(request)) for records in (scene.handling, scene.home))
        assert replica is not None, request.request_id
        assert owned is not None, request.request_id
        assert (owned.state, owned.version) == (replica.state, replica.version), request.request_id
        require_effect(scene, request)


def recover(scene: Scene, region: Region) -> None:
    """Waits for the fence, accepts the loss, and waits until the other region has told what it has."""
    records = scene.records(region.name)
    open_loss = "SELECT number FROM losses WHERE accept_time IS NULL ORDER BY number"
    wait_until(lambda: bool(records.column(open_loss)), CALL_SECONDS, f"{region.name} has found that it is behind")
    (loss,) = records.column(open_loss)
    accept(region.staff, str(loss))
    done = "SELECT COUNT(*) FROM catch_ups WHERE loss = ? AND finish_time IS NOT NULL"
    wait_until(lambda: records.count(done, loss) == 1, SETTLED_SECONDS, f"{region.name} has caught up")


@pytest.mark.slow
@pytest.mark.timeout(240 + 60 * COUNT)
@pytest.mark.guarantee("G2", "G4")
def test_regions_with_older_copies_at_random_contradict_nobody_and_do_nothing_twice(tmp_path: Path) -> None:
    source, done = random.Random(SEED), list[SubmitOrderRequest]()
    scene = Scene(tmp_path / "scene", Engine.SQLITE, None)
    try:
        scene.build()
        regions = [
            Region(name, [Staff(scene, each, name) for each in ("wang", "zhao")], []) for name in (HANDLING, HOME)
        ]
        for number in range(COUNT):
            for region in regions:
                region.copies.append(tmp_path / f"{region.name}-{number}")
                back_up(scene, region.copies[-1], region.name)
            for business in source.choices(("PAY", "SUSPEND"), k=source.randint(1, 4)):
                done.append(scene.request(business))
                order = scene.submit_again(done[-1])
                wait_until(
                    lambda order=order: scene.get(order.id).state == OrderState.ORDER_STATE_COMPLETED,  # type: ignore[misc]
                    SETTLED_SECONDS,
                    "it is done",
                )
            region = source.choice(regions)
            put_back(scene, source.choice(region.copies[-COPIES:]), region.name)
            recover(scene, region)
            require_the_same(scene, done)
            for each in regions:
                records = Records.of(scene.federation, each.name)  # which has verified nothing that is lost since
                records.verify_chain()
                lost = records.column("SELECT subject FROM lost_commands")
                records.database.close()
                assert not lost, (number, each.name, lost)
        for request in done:
            assert scene.submit_again(request).state == OrderState.ORDER_STATE_COMPLETED, "a repeat is the same order"
        require_the_same(scene, done)
    finally:
        scene.close()
