"""Owners who lately had few pieces of work at a time, and short ones. Pure: times are monotonic, in seconds."""

# For which an owner counts as small. Longer, and one that brings a piece now and then slows the others all the time.
PRESENT = 1.0
# For which one with many pieces, or with a long one, does not: a small one may have them by chance, after a halt of the
# process.
BURST = 1.0


class SmallOwners:
    """Owners who have brought work within `PRESENT`, and lately no long piece, and never more than `few` at a time."""

    def __init__(self, few: int) -> None:
        self._few = few
        # By the time of the last piece, of the last long one, and of the last that was one of many: the oldest first.
        self._small: dict[str, float] = {}
        self.slow: dict[str, float] = {}
        """Owners with few pieces, of which one was long."""
        self._large: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._small)

    def __contains__(self, owner: object) -> bool:
        return owner in self._small

    def note(self, owner: str, count: int, now: float, *, is_long: bool = False) -> None:
        """An owner has so many pieces at `now`: one of them comes then, or has been long then."""
        for times, start in ((self._small, now - PRESENT), (self.slow, now - BURST), (self._large, now - BURST)):
            while times and times[first := next(iter(times))] < start:
                del times[first]
        self._small.pop(owner, None)
        if count > self._few:
            self.slow.pop(owner, None)
            _put_last(self._large, owner, now)
        elif owner in self._large:
            return
        elif is_long:
            _put_last(self.slow, owner, now)
        elif owner not in self.slow:
            self._small[owner] = now


def _put_last(times: dict[str, float], owner: str, now: float) -> None:
    times.pop(owner, None)
    times[owner] = now
