"""A clock that a story or a test drives: all processes of a federation see the same time, as far ahead as it says."""

import mmap
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

_AHEAD = struct.Struct("=q")  # microseconds; one aligned word, which is never seen half written


class DrivenClock:
    """The machine's clock, put ahead by what stands in a file that processes share."""

    def __init__(self, file: Path) -> None:
        """Opens the file, which `create` has made."""
        with file.open("r+b") as opened:
            self._shared = mmap.mmap(opened.fileno(), _AHEAD.size)

    @classmethod
    def create(cls, file: Path) -> "DrivenClock":
        """A clock that is not ahead yet."""
        file.write_bytes(_AHEAD.pack(0))
        return cls(file)

    def now(self) -> datetime:
        """The time of day that the federation sees."""
        return datetime.now(UTC) + self.ahead

    @property
    def ahead(self) -> timedelta:
        """How far it is ahead of the machine's."""
        return timedelta(microseconds=_AHEAD.unpack_from(self._shared)[0])

    def drive_to(self, instant: datetime) -> None:
        """Puts it ahead, so that it is this instant now. Raises ValueError for one that has passed: clocks go on."""
        if instant < self.now():
            raise ValueError(f"{instant} has passed")
        _AHEAD.pack_into(self._shared, 0, (instant - datetime.now(UTC)) // timedelta(microseconds=1))
