"""A limit that finds itself: the pieces of work under way at a time, of which each takes about as long as it should.

Where a resource is used up, whatever is under way takes the longer, the more of it there is (Little's law). So the goal
divided by the time that was needed is the factor by which the limit is off. Pure: times are those of the event loop, in
seconds.
"""

from collections.abc import Container

ROUND = 16  # pieces of work whose mean counts: fewer would follow chance
_MOST_GROWTH = 1.5  # in one round; what a longer wait would bring is not known
_MOST_SHRINKING = 0.5
_SHORTEST = 1e-6


class Limit:
    """A number between `least` and `most`, at which a piece of work takes about `goal` seconds."""

    def __init__(self, goal: float, *, least: int, first: int, most: int) -> None:
        self._goal = goal
        self._least = least
        self._most = most
        self._value = float(first)
        self.seconds = 0.0
        """What a piece has taken lately."""
        self.rate = float("inf")
        """Pieces a second that are done lately."""
        self._changed = 0.0
        self._count = 0
        self._sum = 0.0
        self._under_way = 0

    @property
    def value(self) -> int:
        """How many pieces may be under way."""
        return int(self._value)

    def note(self, began: float, seconds: float, under_way: int, now: float) -> None:
        """Takes into account a piece that began at `began`, took `seconds`, and ended at `now` among `under_way`."""
        if began < self._changed:  # it tells of the value before
            return
        self._count += 1
        self._sum += seconds
        self._under_way += under_way
        if self._count < ROUND:
            return
        self.seconds = self._sum / self._count
        self.rate = self._under_way / max(self._sum, _SHORTEST)
        self._count, self._sum, self._under_way = 0, 0.0, 0
        ratio = self._goal / max(self.seconds, _SHORTEST)
        if ratio < 1:
            self._value = max(self._least, self._value * max(ratio, _MOST_SHRINKING))
        elif under_way * 2 >= self._value:  # else more than now would not be noticed
            self._value = min(self._most, self._value * min(ratio, _MOST_GROWTH))
        self._changed = now

    def note_refused(self, began: float, seconds: float, under_way: int, now: float) -> None:
        """As `note`, of a piece that was refused: it may show that too many are under way, and never that too few are.

        It does less than a piece that is served: many of them beside few others would let the number grow until those
        take much too long.
        """
        if seconds > self._goal:
            self.note(began, seconds, under_way, now)


class Shared:
    """Pieces of work under way, or their bytes, counted by their owners, who have fair shares of a limit."""

    def __init__(self) -> None:
        self._of: dict[str, int] = {}
        self.count = 0
        """How many are under way."""

    def of(self, owner: str) -> int:
        """How many of an owner are under way."""
        return self._of.get(owner, 0)

    def of_all(self, owners: Container[str]) -> int:
        """How many of several owners are under way."""
        return sum(count for owner, count in self._of.items() if owner in owners)

    def has_room(self, owner: str, most: int, size: int = 1) -> bool:
        """Whether so many more of an owner may begin: there is room, or the owner has less than its share."""
        return self.count + size <= most or (self.of(owner) + size) * len(self._of.keys() | {owner}) <= most

    def enter(self, owner: str, size: int = 1) -> None:
        """Counts so many as under way."""
        self._of[owner] = self._of.get(owner, 0) + size
        self.count += size

    def leave(self, owner: str, size: int = 1) -> None:
        """Counts them no more."""
        self.count -= size
        left = self._of[owner] - size
        if left:
            self._of[owner] = left
        else:
            del self._of[owner]
