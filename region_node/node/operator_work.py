"""Work of operator systems at this region by the room that it takes, and the bound of each one."""

from collections.abc import Mapping

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused

RECORD = 4096  # bytes of one record, as the policies take it: a larger one counts once for each of them


def weight(size: int) -> int:
    """As how many records one of so many bytes counts."""
    return max(1, -(-size // RECORD))


class OperatorWork:
    """Work by the last count, and its bound, in the memory of one process."""

    def __init__(self, reason: Reason.ValueType, parameter: str) -> None:
        """`reason` is that of a refusal, whose `parameter` is the count."""
        self._reason = reason
        self._parameter = parameter
        self.by_operator: Mapping[str, int] = {}
        self.most: int | None = None
        """The most of an operator system; None before the first count, and for a federation without the policy."""

    def require_share(self, operator: str) -> None:
        """Raises Refused where an operator system has more than its share."""
        count = self.by_operator.get(operator, 0)
        if self.most is not None and count > self.most:
            raise Refused(self._reason, operator=operator, most=str(self.most), **{self._parameter: str(count)})
