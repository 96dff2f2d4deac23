"""The room on a disk for what is to come: a backup fills no disk that the process which serves needs."""

import shutil
from pathlib import Path

from gateway.backups.refused import CopyFailed
from gateway.process.files import existing
from gateway.store.commit_archive import LEAST_FREE_BYTES
from gateway.wording.languages import translated


def require_free(directory: Path, size: int) -> None:
    """Raises CopyFailed where the disk of a directory, there or to be made, has no room for so many bytes; OSError."""
    free = shutil.disk_usage(existing(directory)).free
    if free - size < LEAST_FREE_BYTES:
        raise CopyFailed(
            translated(
                "{directory}: {bytes:,} bytes are to come, of {free:,} that the disk has; {least:,} have to stay free",
                directory=directory,
                bytes=size,
                free=free,
                least=LEAST_FREE_BYTES,
            )
        )
