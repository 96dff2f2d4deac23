"""The files that programs write: their owner's alone, and replaced as a whole where that can be.

A reader of a replaced file sees the old content or the new, also after a loss of power.
"""

import errno
import os
import shutil
import tempfile
from contextlib import ExitStack
from hashlib import file_digest
from io import FileIO
from pathlib import Path
from typing import IO, BinaryIO

_PRIVATE = 0o600
_OF_OTHERS = 0o077


class FileUnusable(Exception):
    """A file that a program needs cannot be used; the text has the file, the reason and the remedy."""


Stamp = tuple[int, int, int]
"""What changes with the content of a file."""


def stamp_of(path: Path) -> Stamp | None:
    """The stamp of a file; None where it cannot be read."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def existing(directory: Path) -> Path:
    """The directory, or its nearest existing ancestor."""
    place = directory.absolute()
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    return directory if place == directory.absolute() else place


def require_writable(place: Path) -> None:
    """Raises OSError where nothing can be written in a directory."""
    with tempfile.TemporaryFile(dir=place) as file:
        file.write(b"\0")
        file.flush()
        os.fsync(file.fileno())


def make_private(path: Path) -> None:
    """Makes a file that only its owner may read, or makes an existing file private. Raises OSError."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, _PRIVATE)
    os.fchmod(file, _PRIVATE)
    os.close(file)


def create_file(path: Path, content: bytes, mode: int = _PRIVATE) -> None:
    """Writes a new file with this mode from its first byte on, on disk when it returns. Raises FileExistsError."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def copy_file(source: Path, target: Path) -> None:
    """Copies a file into a new one of the owner alone, on disk and read again at return.

    Raises OSError. Broken off, it leaves no new file.
    """
    with (
        source.open("rb") as content,
        open(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, _PRIVATE), "w+b") as file,
        ExitStack() as undone,
    ):
        undone.callback(target.unlink, missing_ok=True)
        shutil.copyfileobj(content, file)
        file.flush()
        os.fsync(file.fileno())
        content.seek(0)
        file.seek(0)
        if file_digest(content, "sha256").digest() != file_digest(file, "sha256").digest():
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(target))
        undone.pop_all()


def replace_file(path: Path, content: bytes, mode: int = _PRIVATE) -> None:
    """Replaces the content of the file; on disk at return. Raises OSError, and keeps the old file then.

    `mode` holds from the creation of the new file; by default its owner alone may read it.
    """
    if _is_special(path):
        path.write_bytes(content)
        return
    fresh = _beside(path)
    try:
        create_file(fresh, content, mode)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def open_private(path: Path, *, encoding: str = "utf-8", newline: str | None = None) -> IO[str]:
    """Opens an empty file for texts, readable by its owner alone, whatever the mode of the former file.

    Opens a pipe or a device as it is. Raises OSError.
    """
    if _is_special(path):
        return path.open("w", encoding=encoding, newline=newline)
    path = path.resolve()
    fresh = _beside(path)
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    try:
        fresh.replace(path)
    except OSError:
        os.close(file)
        fresh.unlink(missing_ok=True)
        raise
    return open(file, "w", encoding=encoding, newline=newline)


def go_on_private(path: Path) -> IO[bytes]:
    """Opens a file for appending bytes, readable by its owner alone.

    Replaces a file that others may read, since they may still have it open. Raises OSError.
    """
    file = _to_add(path)
    if os.fstat(file).st_mode & _OF_OTHERS and not _is_special(path):
        os.close(file)
        path.unlink()
        file = _to_add(path)
    return open(file, "ab")


def start_private(path: Path) -> FileIO:
    """Opens a new file for bytes, readable by its owner alone, each write without a buffer. Raises OSError."""
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb", buffering=0)


def change(path: Path) -> BinaryIO:
    """Opens a file of this process alone, to overwrite parts of it. Raises OSError."""
    return path.open("r+b")


def _to_add(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _PRIVATE)


def _is_special(path: Path) -> bool:
    """Whether the path exists and cannot be replaced: a pipe, a terminal, a device."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _beside(path: Path) -> Path:
    """The temporary name beside a file. Removes a leftover of an earlier process with this id."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    return fresh
