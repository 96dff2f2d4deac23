"""Owners who lately had few pieces of work at a time. Pure: times are monotonic, in seconds."""

# For which an owner counts as small. Longer, and one that brings a piece now and then slows the others all the time.
PRESENT = 1.0
BURST = 1.0  # for which one with many pieces does not: a small one may have many by chance, after a halt of the process


class SmallOwners:
    """Owners who have brought work within `PRESENT`, and lately never more than `few` pieces at a time."""

    def __init__(self, few: int) -> None:
        self._few = few
        # By the time of the last piece, and of the last that was one of many: the oldest is the first.
        self._small: dict[str, float] = {}
        self._large: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._small)

    def __contains__(self, owner: object) -> bool:
        return owner in self._small

    def note(self, owner: str, count: int, now: float) -> None:
        """An owner has so many pieces at a time, with one that comes at `now`."""
        _forget(self._small, now - PRESENT)
        _forget(self._large, now - BURST)
        self._small.pop(owner, None)
        if count > self._few:
            self._large.pop(owner, None)
            self._large[owner] = now
        elif owner not in self._large:
            self._small[owner] = now


def _forget(times: dict[str, float], start: float) -> None:
    """Removes the owners before `start`."""
    while times and times[first := next(iter(times))] < start:
        del times[first]
