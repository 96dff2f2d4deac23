"""Where the escalation recipients are told of a level that a complaint has reached, as a port."""

from typing import Protocol

from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint

LOWEST_LEVEL = 1  # the desk of first contact filed the complaint itself


class Sink(Protocol):
    """Tells the escalation recipients: a file, a webhook."""

    async def tell(self, raised: RaisedComplaint, timeout: float) -> None:
        """Returns once it was taken over for good, within about `timeout` seconds.

        The same id may be told more than once. Raises Unreachable where nobody has said that it was taken: it may have
        been.
        """
        ...
