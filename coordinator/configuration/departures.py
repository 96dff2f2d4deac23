"""Numbers that each region has given away. Their assignments stay in the registry for ever.

The list is read on from where it was read last, a page for each assignment of a number. So a coordinator that starts
reads none of it at once, and all coordinators count the same.
"""

from collections import Counter

from coordinator.registry.port import Registry
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import NumberAssignmentMark
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.policies import GIVEN_AWAY, strictest_figure


class Departures:
    """The assignments that each region has made, by the list as far as it was read."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._mark = NumberAssignmentMark()
        self._counts = Counter[str]()

    async def read_on(self) -> None:
        """Counts the next page of the list. Raises Refused with REGISTRY_UNAVAILABLE."""
        begin = self._mark
        page = await self._registry.assignments.after(begin)
        if self._mark is not begin:  # another call has counted the page
            return
        if page.mark.revision - len(page.assignments) != begin.revision:  # the list of another backup
            self._counts.clear()
        self._counts.update(each.giver for each in page.assignments)
        self._mark = page.mark

    def require_room(self, region: str, configuration: Configuration | None) -> None:
        """Raises Refused with NUMBERS_GIVEN_TOO_MANY for a region that has given as many numbers as it may.

        Without the policy, a region may give any number of them.
        """
        policies = configuration.policies if configuration is not None else ()
        policy = next((each for each in policies if each.name == GIVEN_AWAY), None)
        if policy is None:
            return
        count, most = self._counts[region], strictest_figure(policy, (region,)).value
        if count >= most:
            raise Refused(Reason.REASON_NUMBERS_GIVEN_TOO_MANY, region=region, count=str(count), most=str(most))
