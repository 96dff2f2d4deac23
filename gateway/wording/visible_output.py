"""What a command writes to standard output and error: whatever others have written is seen there, and does nothing."""

import codecs
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TextIO, cast

from gateway.values.plain_text import visible


class VisibleStream:
    """A stream on which nothing acts on a terminal. What tables say to the terminal themselves goes past it."""

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = stream
        """See rich: where its consoles write. Those of `gateway.cli.terminal` make texts visible by themselves."""
        self.encoding = stream.encoding
        self.errors = stream.errors

    @property
    def buffer(self) -> BinaryIO:
        """See io. Bytes are what programs take, as the names that a shell completes by: they pass as they are."""
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
    """Standard output and error are visible streams meanwhile."""
    before = sys.stdout, sys.stderr
    for stream in before:
        # As click does for streams of its own: an environment without a language says ASCII, and means nothing by it.
        if isinstance(stream, io.TextIOWrapper) and codecs.lookup(stream.encoding).name == "ascii":
            stream.reconfigure(encoding="utf-8")
    sys.stdout, sys.stderr = (cast("TextIO", VisibleStream(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
