"""The port for notices to the escalation recipients about a complaint's level."""

from typing import Protocol

from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint

LOWEST_LEVEL = 1  # the desk of first contact filed the complaint itself


class Sink(Protocol):
    """A destination of escalation notices: a file, a webhook."""

    async def tell(self, raised: RaisedComplaint, timeout: float) -> None:
        """Returns after durable acceptance, within about `timeout` seconds.

        An id may be delivered more than once. Raises Unreachable without a confirmation: the notice may have been
        accepted.
        """
        ...
