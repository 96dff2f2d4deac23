"""Files that the commands of the federation write."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.cli.exits import NotDone
from gateway.wording.languages import translated


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raises NotDone with the reason where the file cannot be written."""
    try:
        yield
    except OSError as error:
        raise NotDone([translated("{path}: cannot be written: {problem}", path=path, problem=error.strerror)]) from None
