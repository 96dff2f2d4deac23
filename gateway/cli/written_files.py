"""Files that commands write at the user's request."""

from pathlib import Path

from gateway.cli.exits import NotDone
from gateway.process.files import replace_file


def write_out(path: Path, text: str) -> None:
    """Writes a file whole or not at all. Raises NotDone with the reason where that is not possible."""
    try:
        replace_file(path, text.encode())
    except OSError as error:
        raise NotDone([f"{path}: {error.strerror}"]) from error
