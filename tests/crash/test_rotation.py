"""The region's keys rotate while its node is killed: nothing is lost, and the rotation goes on."""

import pytest
from click.testing import CliRunner, Result

from deploy.local.process import wait_until
from gateway.security.region_keys import KeySet
from region_node.cli.main import main
from tests.crash.regions import HOME
from tests.crash.scene import Scene
from tests.sealing import Sealing

SUBJECTS = 600  # more than two pages
SECRET = "欧阳娜娜".encode()
PATIENCE = 60.0


def keys(scene: Scene, *words: str) -> Result:
    """`region-node keys` of the home region."""
    return CliRunner().invoke(main, ["keys", *words])


@pytest.mark.long("a node starts three times")
@pytest.mark.parametrize("point", ["keys.before-commit", pytest.param("keys.after-page", marks=pytest.mark.slow)])
def test_a_node_killed_in_the_middle_of_a_rotation_loses_nothing_and_goes_on(scene: Scene, point: str) -> None:
    settings = str(scene.federation.settings_file(HOME))
    file = scene.federation.directory / "certificates" / HOME / "region.keys"
    sealing = Sealing(scene.federation.database(HOME), file)
    sealed = sealing.seal_all([f"test/{point}/{each}" for each in range(SUBJECTS)], SECRET)
    former = KeySet.load(file).in_use.id
    scene.arm(HOME, point)
    before = sealing.wrapped()[former]
    assert before >= SUBJECTS

    assert keys(scene, "rotate", str(file)).exit_code == 0
    scene.require_killed(HOME)
    wrapped, in_use = sealing.wrapped(), KeySet.load(file).in_use.id
    assert sum(wrapped.values()) == before
    assert wrapped[former] > 0
    assert (wrapped.get(in_use, 0) > 0) == (point == "keys.after-page")
    assert sealing.content_of(sealed) == {SECRET}
    refused = keys(scene, "prune", "--settings", settings)
    assert refused.exit_code == 1, refused.output

    scene.restart(HOME)
    wait_until(lambda: former not in sealing.wrapped(), PATIENCE, "everything is wrapped by the new key")
    assert sealing.content_of(sealed) == {SECRET}
    wait_until(lambda: keys(scene, "prune", "--settings", settings).exit_code == 0, PATIENCE, "the former key may go")
    assert [key.id for key in KeySet.load(file).wrapping] == [in_use]
    scene.require_well()
    assert sealing.content_of(sealed) == {SECRET}
