"""A clock driven by a story or a test: all processes of a federation see the same time."""

import mmap
import struct
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

_WORD = struct.Struct("=q")  # microseconds; an aligned word, which is never seen half written
_AHEAD, _WRONG = 0, _WORD.size  # the places of both words


class DrivenClock:
    """The machine's clock, plus the time driven over and the error in a file that processes share."""

    def __init__(self, file: Path) -> None:
        """Opens the file, which `create` has made."""
        with file.open("r+b") as opened:
            self._shared = mmap.mmap(opened.fileno(), 2 * _WORD.size)

    @classmethod
    def create(cls, file: Path) -> "DrivenClock":
        """A clock without an offset."""
        file.write_bytes(2 * _WORD.pack(0))
        return cls(file)

    def now(self) -> datetime:
        """The time of day that the federation sees."""
        return datetime.now(UTC) + self.ahead + self._word(_WRONG)

    def steady(self) -> float:
        """Seconds that pass with the driven time."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) + self.ahead.total_seconds()

    @property
    def ahead(self) -> timedelta:
        """The time driven over: it has passed for the federation, and not for the machine."""
        return self._word(_AHEAD)

    def drive_to(self, instant: datetime) -> None:
        """Sets the clock to an instant. Raises ValueError for a past one: clocks do not go back."""
        if instant < self.now():
            raise ValueError(f"{instant} has passed")
        self._set(_AHEAD, instant - datetime.now(UTC))

    def advance(self, step: timedelta) -> None:
        """Drives over a time."""
        self._set(_AHEAD, self.ahead + step)

    def be_wrong_by(self, error: timedelta) -> None:
        """Steps the time of day, in which no time passes: it is off by this error from here on."""
        self._set(_WRONG, error)

    def _word(self, place: int) -> timedelta:
        return timedelta(microseconds=_WORD.unpack_from(self._shared, place)[0])

    def _set(self, place: int, duration: timedelta) -> None:
        _WORD.pack_into(self._shared, place, duration // timedelta(microseconds=1))
