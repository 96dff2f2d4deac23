"""Numbers that a region gives away: their assignments stay in the registry for ever, and take a share of it.

The list is read on from where it was read last, a page for each assignment of a number. So a coordinator that starts
reads none of it at once, and all coordinators count the same.
"""

from collections import Counter

from coordinator.registry import shares
from coordinator.registry.assignment_port import AssignmentRegistry
from gateway.api.federation.v1.federation_pb2 import NumberAssignment, NumberAssignmentMark
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused

_COPIES = 2  # by its place in the list, and by its number
_ROW = 512  # bytes of its row in the audit chain, and of keys


def charge_of(assignment: NumberAssignment) -> int:
    """The charge of an assignment, for the region that gives the number away."""
    return shares.whole(_COPIES * assignment.ByteSize() + _ROW)


class Departures:
    """The charges of the assignments that each region has made."""

    def __init__(self, assignments: AssignmentRegistry) -> None:
        self._assignments = assignments
        self._mark = NumberAssignmentMark()
        self._charges = Counter[str]()

    async def read_on(self) -> None:
        """Counts the next page of the list. Raises Refused with REGISTRY_UNAVAILABLE."""
        begin = self._mark
        page = await self._assignments.after(begin)
        if self._mark is not begin:  # another call has counted the page
            return
        if page.mark.revision - len(page.assignments) != begin.revision:  # the list of another backup
            self._charges.clear()
        for each in page.assignments:
            self._charges[each.giver] += charge_of(each)
        self._mark = page.mark

    def require_room(self, assignment: NumberAssignment) -> None:
        """Raises Refused with TOO_BUSY where the share of the giver has no room for an assignment."""
        if self._charges[assignment.giver] + charge_of(assignment) > shares.ASSIGNMENTS:
            raise Refused(Reason.REASON_TOO_BUSY)
