"""A federation of real processes for each worker and engine; every test gets it whole and may break it."""

from collections.abc import Iterator

import pytest

from deploy.local.profiles import Engine
from tests.both_engines import runs_on_both
from tests.crash.scene import Scene


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs tests on each engine, or on the one that is enough, or that they are about."""
    if "running_scene" in metafunc.fixturenames:
        engines = list(Engine)
        if metafunc.definition.get_closest_marker("files"):
            engines = [Engine.SQLITE]
        elif metafunc.definition.get_closest_marker("several_processes"):
            engines = [Engine.POSTGRESQL]
        elif not runs_on_both(metafunc.definition.path):
            engines = [Engine.SQLITE]
        names = [engine.value for engine in engines]
        metafunc.parametrize("running_scene", names, indirect=True, scope="package")


@pytest.fixture(scope="package")
def running_scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The processes, with all their databases on one engine."""
    engine = Engine(request.param)
    server = request.getfixturevalue("postgresql_server") if engine is Engine.POSTGRESQL else None
    scene = Scene(tmp_path_factory.mktemp("crash"), engine, server)
    try:
        scene.build()
        yield scene
    finally:
        scene.close()


@pytest.fixture
def scene(running_scene: Scene) -> Iterator[Scene]:
    """The processes, all of them well; after the test they are made well again."""
    if not running_scene.is_whole():  # a failed test has left a process that ended only after it was made well
        running_scene.mend()
    running_scene.require_well()
    yield running_scene
    running_scene.mend()
