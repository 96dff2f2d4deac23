"""Files that are replaced as a whole: a reader sees the old content or the new, also after a loss of power."""

import os
from pathlib import Path


def make_private(path: Path) -> None:
    """Makes a file that only its owner may read, or closes one that is there. Raises OSError."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.fchmod(file, 0o600)
    os.close(file)


def replace_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Puts `content` in place of the file; on disk when it returns. Raises OSError, and leaves the old file then.

    `mode`: who may read the new file, from the moment it is there; its owner alone where nothing else is said.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
