"""One federation of real processes for each worker; every test gets it whole and may break it."""

from collections.abc import Iterator

import pytest

from tests.crash.scene import Scene


@pytest.fixture(scope="session")
def running_scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The processes."""
    scene = Scene(tmp_path_factory.mktemp("crash"))
    try:
        scene.build()
        yield scene
    finally:
        scene.close()


@pytest.fixture
def scene(running_scene: Scene) -> Iterator[Scene]:
    """The processes, all of them well; after the test they are made well again."""
    running_scene.require_well()
    yield running_scene
    running_scene.mend()
