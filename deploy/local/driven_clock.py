"""A clock driven by a story or a test: all processes of a federation see the same time."""

import mmap
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

_AHEAD = struct.Struct("=q")  # microseconds; an aligned word, which is never seen half written


class DrivenClock:
    """The machine's clock, plus the offset in a file that processes share."""

    def __init__(self, file: Path) -> None:
        """Opens the file, which `create` has made."""
        with file.open("r+b") as opened:
            self._shared = mmap.mmap(opened.fileno(), _AHEAD.size)

    @classmethod
    def create(cls, file: Path) -> "DrivenClock":
        """A clock without an offset."""
        file.write_bytes(_AHEAD.pack(0))
        return cls(file)

    def now(self) -> datetime:
        """The time of day that the federation sees."""
        return datetime.now(UTC) + self.ahead

    @property
    def ahead(self) -> timedelta:
        """The offset to the machine's clock."""
        return timedelta(microseconds=_AHEAD.unpack_from(self._shared)[0])

    def drive_to(self, instant: datetime) -> None:
        """Sets the clock to an instant. Raises ValueError for a past one: clocks do not go back."""
        if instant < self.now():
            raise ValueError(f"{instant} has passed")
        _AHEAD.pack_into(self._shared, 0, (instant - datetime.now(UTC)) // timedelta(microseconds=1))
