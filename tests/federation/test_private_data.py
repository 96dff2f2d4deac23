"""What members keep on disk is theirs alone: the directory from its creation, and every file in it."""

import stat
from pathlib import Path

from tests.federation.databases import Databases
from tests.federation.running import running


def modes(directory: Path) -> dict[str, int]:
    """The permissions of a directory and of the files in it."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in (directory, *directory.iterdir())}


async def test_the_data_of_nodes_and_of_the_coordinator_can_be_read_by_their_owner_alone(tmp_path: Path) -> None:
    async with running(tmp_path, Databases(None, made_by_members=True), ["guangdong"]) as federation:
        found = modes(federation.region_settings("guangdong").data)
        assert {"region-node.sqlite", "region-node.sqlite-wal", "region-node.sqlite-shm", "federation.bin"} <= set(
            found
        )
        assert found.pop("guangdong") == 0o700
        assert set(found.values()) == {0o600}
        found = modes(federation.coordinator_database.path.parent)
        assert {"coordinator.db", "coordinator.db-wal", "coordinator.db-shm"} <= set(found)
        assert found.pop("coordinator") == 0o700
        assert set(found.values()) == {0o600}
