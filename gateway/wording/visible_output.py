"""The standard output and error of a command: texts of others are visible there, and their control characters are
inert.
"""

import codecs
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TextIO, cast

from gateway.values.plain_text import visible


class VisibleStream:
    """A stream without effect on the terminal. The terminal control sequences of tables bypass it."""

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = stream
        """See rich: the stream of its consoles. Those of `gateway.cli.terminal` make texts visible by themselves."""
        self.encoding = stream.encoding
        self.errors = stream.errors

    @property
    def buffer(self) -> BinaryIO:
        """See io. Bytes are for programs, such as the names for completion: they pass unchanged."""
        return self.rich_proxied_file.buffer

    def writable(self) -> bool:
        """See io."""
        return True

    def isatty(self) -> bool:
        """See io."""
        return self.rich_proxied_file.isatty()

    def fileno(self) -> int:
        """See io."""
        return self.rich_proxied_file.fileno()

    def write(self, text: str, /) -> int:
        """See io."""
        self.rich_proxied_file.write(visible(text))
        return len(text)

    def flush(self) -> None:
        """See io."""
        self.rich_proxied_file.flush()


@contextmanager
def visible_output() -> Iterator[None]:
    """A context in which standard output and error are visible streams."""
    before = sys.stdout, sys.stderr
    for stream in before:
        # Click does the same for its own streams: an environment without a language reports ASCII as a mere default.
        if isinstance(stream, io.TextIOWrapper) and codecs.lookup(stream.encoding).name == "ascii":
            stream.reconfigure(encoding="utf-8")
    sys.stdout, sys.stderr = (cast("TextIO", VisibleStream(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
