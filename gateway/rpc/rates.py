"""How often, or how much, a caller may do: a token bucket for each caller, in the memory of one process."""

_SWEEP_AT = 1024  # callers in memory; above it, callers with a full bucket are removed


class Rate:
    """Allows each caller a burst of `burst` actions, and `per_second` more for each second that passes."""

    def __init__(self, burst: int, per_second: float) -> None:
        self._interval = 1.0 / per_second
        self._slack = burst * self._interval
        self._full_at: dict[str, float] = {}

    def allows(self, caller: str, now: float, count: int = 1) -> bool:
        """Whether the caller may act at `now` (monotonic seconds); an action that is allowed is counted.

        One that counts as several needs room for one. It may exceed the burst, and the next one waits for longer.
        """
        has_room = self.has_room(caller, now)
        if has_room:
            self.count(caller, now, count)
        return has_room

    def count(self, caller: str, now: float, count: int) -> None:
        """Counts actions of a caller without a look at the room; fewer than none give it back."""
        self._keep(caller, self._full_after(caller, now, count), now)

    def has_room(self, caller: str, now: float) -> bool:
        """Whether the caller may act at `now`; nothing is counted."""
        return self._full_after(caller, now, 1) - now <= self._slack

    def seconds_until(self, caller: str, now: float, count: int, most: float) -> float | None:
        """The seconds for which the caller has to wait before so many actions, which are counted.

        None, and nothing is counted, where these are more than `most`: so nobody ever has to wait for longer.
        """
        full_at = self._full_after(caller, now, count)
        seconds = max(0.0, full_at - now - self._slack)
        if seconds > most:
            return None
        self._keep(caller, full_at, now)
        return seconds

    def _full_after(self, caller: str, now: float, count: int) -> float:
        return max(self._full_at.get(caller, now), now) + count * self._interval

    def _keep(self, caller: str, full_at: float, now: float) -> None:
        if len(self._full_at) >= _SWEEP_AT:
            self._full_at = {each: time for each, time in self._full_at.items() if time > now}
        self._full_at[caller] = full_at
