"""Files that only their owner may see, and files that are replaced as a whole."""

import asyncio
import os
import stat
from pathlib import Path

from gateway.files import make_private, replace_file
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_private_file_is_its_owners_alone_also_if_it_was_open_to_all(tmp_path: Path) -> None:
    (tmp_path / "open").touch(mode=0o644)
    for path in (tmp_path / "open", tmp_path / "new"):
        make_private(path)
        assert mode(path) == 0o600


def test_every_file_of_a_database_is_its_owners_alone(tmp_path: Path) -> None:
    def modes() -> dict[str, int]:
        return {path.name: mode(path) for path in tmp_path.iterdir()}

    async def modes_while_open() -> dict[str, int]:
        store = SqliteStore(tmp_path / "store.sqlite", migrations_of("gateway"))
        await store.write(lambda tx: tx.execute("DELETE FROM timers"))
        try:
            return modes()
        finally:
            await store.close()

    found = asyncio.run(modes_while_open())
    assert {"store.sqlite", "store.sqlite-wal"} <= found.keys()
    assert set(found.values()) == {0o600}


def test_a_replaced_file_is_its_owners_alone_unless_it_is_for_others_too(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        replace_file(tmp_path / "own", b"")
        replace_file(tmp_path / "port", b"", mode=0o644)
    finally:
        os.umask(umask)
    assert (mode(tmp_path / "own"), mode(tmp_path / "port")) == (0o600, 0o644)


def test_a_replaced_file_has_the_new_content_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    replace_file(tmp_path / "port", b"1\n")
    replace_file(tmp_path / "port", b"2\n")
    assert (tmp_path / "port").read_bytes() == b"2\n"
    assert [path.name for path in tmp_path.iterdir()] == ["port"]
