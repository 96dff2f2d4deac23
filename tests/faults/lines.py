"""The lines of the members of a cluster, each of which can be cut off from all others."""

from functools import partial

from tests.faults.background import Background
from tests.faults.proxy import FaultProxy


class MemberLines:
    """A proxy for each address that a member reaches, or by which other members reach it."""

    def __init__(self) -> None:
        self._background = Background()
        self._of: dict[int, list[FaultProxy]] = {}

    def through(self, member: int, endpoint: str) -> str:
        """The address of a new line of a member that ends at an endpoint."""
        line = FaultProxy(self._background, partial(str, endpoint))
        self._of.setdefault(member, []).append(line)
        return line.endpoint

    def cut(self, member: int) -> None:
        """Lets nothing through any line of a member, without a word, until `heal`."""
        for line in self._of[member]:
            line.blackhole()

    def heal(self, member: int) -> None:
        """Lets all through again."""
        for line in self._of[member]:
            line.heal()

    def close(self) -> None:
        """Ends all lines."""
        for lines in self._of.values():
            for line in lines:
                line.close()
        self._background.close()
