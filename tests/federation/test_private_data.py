"""The files of members are private: the directory from its creation, and every file in it."""

import stat
from contextlib import suppress
from pathlib import Path

from tests.federation.databases import Databases
from tests.federation.running import running, until


def modes(directory: Path) -> dict[str, int]:
    """The permissions of a directory and of the files in it, but for a file that gets its name meanwhile."""
    found = {}
    for path in (directory, *directory.iterdir()):
        with suppress(FileNotFoundError):
            found[path.name] = stat.S_IMODE(path.stat().st_mode)
    return found


async def test_the_data_of_nodes_and_of_the_coordinator_can_be_read_by_their_owner_alone(tmp_path: Path) -> None:
    async with running(tmp_path, Databases(None, made_by_members=True), ["guangdong"]) as federation:
        data = federation.region_settings("guangdong").data

        async def is_kept() -> bool:
            return "federation.bin" in modes(data)

        await until(is_kept, "the node keeps the configuration")
        found = modes(data)
        assert {"region-node.sqlite", "region-node.sqlite-wal", "region-node.sqlite-shm", "federation.bin"} <= set(
            found
        )
        assert found.pop("guangdong") == 0o700
        assert set(found.values()) == {0o600}
        found = modes(federation.coordinator_database.path.parent)
        assert {"coordinator.db", "coordinator.db-wal", "coordinator.db-shm"} <= set(found)
        assert found.pop("coordinator") == 0o700
        assert set(found.values()) == {0o600}
