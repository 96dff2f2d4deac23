"""Files that only their owner may see, and files that are replaced as a whole."""

import asyncio
import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.process.files import copy_file, go_on_private, make_private, open_private, replace_file
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


@pytest.fixture
def open_to_all(tmp_path: Path) -> Iterator[Path]:
    """An existing file open to all, while files are made with the requested mode."""
    umask = os.umask(0)
    path = tmp_path / "there"
    path.touch(mode=0o666)
    try:
        yield path
    finally:
        os.umask(umask)


def test_a_file_that_is_written_bit_by_bit_is_its_owners_alone_from_its_first_byte_on(open_to_all: Path) -> None:
    open_to_all.write_text("before")
    with open_to_all.open() as before:
        for path in (open_to_all, open_to_all.with_name("new")):
            with open_private(path) as file:
                assert mode(path) == 0o600
                file.write("投诉")
            assert (path.read_text("utf-8"), mode(path)) == ("投诉", 0o600)
        assert before.read() == "before", "whoever had opened it reads nothing new"
    assert {path.name for path in open_to_all.parent.iterdir()} == {"there", "new"}


def test_what_a_link_names_is_written_and_the_link_stays(open_to_all: Path) -> None:
    link = open_to_all.with_name("link")
    link.symlink_to(open_to_all)
    with open_private(link) as file:
        file.write("x")
    assert (link.is_symlink(), open_to_all.read_text(), mode(open_to_all)) == (True, "x", 0o600)


def test_a_file_goes_on_where_it_is_its_owners_alone_and_begins_anew_where_it_was_not(open_to_all: Path) -> None:
    open_to_all.write_text("seen by all")
    for told in ("a", "ab"):
        with go_on_private(open_to_all) as file:
            file.write(told[-1:].encode())
        assert (open_to_all.read_text(), mode(open_to_all)) == (told, 0o600)


def test_a_device_is_written_to_and_stays_what_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with open_private(pipe) as file:
            file.write("a")
        with go_on_private(pipe) as more:
            more.write(b"b")
        replace_file(pipe, b"c")
        assert os.read(reader, 10) == b"abc"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_replaced_file_has_the_new_content_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    replace_file(tmp_path / "port", b"1\n")
    replace_file(tmp_path / "port", b"2\n")
    assert (tmp_path / "port").read_bytes() == b"2\n"
    assert [path.name for path in tmp_path.iterdir()] == ["port"]


def test_a_copied_file_is_whole_and_its_owners_alone_or_not_there(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(100_000))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            copy_file(source, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not target.exists()
    copy_file(source, target)
    assert (target.read_bytes(), mode(target)) == (source.read_bytes(), 0o600)
    source.write_bytes(b"another")
    with pytest.raises(FileExistsError):
        copy_file(source, target)
    assert len(target.read_bytes()) == 100_000
