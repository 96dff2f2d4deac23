"""The operations that callers ask for, and what they were told of each."""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum


class Kind(Enum):
    """The kinds of operations of the mixed load."""

    PAYMENT = "payment"
    LINE = "suspension or resumption"
    COMPLAINT = "complaint"
    FAULT = "fault"
    JOINT = "joint order"
    READING = "shared record"
    ALARM = "alarm"
    CROWD = "payment of a crowd"


class Outcome(Enum):
    """What a caller knows of an operation in the end."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    """Finally: the same request is refused at each repeat."""
    UNANSWERED = "unanswered"
    """It may have happened, or not."""


@dataclass
class Operation:
    """An operation with all its repeats, by the same request id."""

    kind: Kind
    request_id: str
    region: str
    """The region at whose counter it was asked for."""
    home: str
    """The region of the customer; of a joint order the leading one, of an alarm its own."""
    number: str = ""
    outcome: Outcome = Outcome.UNANSWERED
    reason: str = ""
    """Why it was refused."""
    record_id: str = ""
    """The id of the record that it made, as the caller was told; of an alarm that of its system."""
    turns: int = 0
    """How often the caller began anew, after it had given up."""
    seconds: float = 0.0
    """How long the caller waited, in all turns."""
    hindrances: Counter[str] = field(default_factory=Counter)
    """Why it was repeated: reasons of the contract, else status codes."""

    @property
    def is_foreign(self) -> bool:
        """Whether it crosses a border."""
        return self.region != self.home


@dataclass(frozen=True)
class Summary:
    """The operations of a kind."""

    kind: Kind
    asked: int
    acknowledged: int
    given_up: int
    """Acknowledged only in a later turn of their caller, with the same request."""
    refused: dict[str, int]
    """By reason."""
    unanswered: int
    slowest: float
    """Seconds that the longest waiting caller waited."""
    hindrances: dict[str, int]
    """Why calls were repeated."""


def summary(kind: Kind, operations: list[Operation]) -> Summary:
    """Counts the operations of a kind."""
    those = [each for each in operations if each.kind is kind]
    hindrances: Counter[str] = Counter()
    for each in those:
        hindrances += each.hindrances
    acknowledged = [each for each in those if each.outcome is Outcome.ACKNOWLEDGED]
    return Summary(
        kind=kind,
        asked=len(those),
        acknowledged=len(acknowledged),
        given_up=sum(each.turns > 1 for each in acknowledged),
        refused=dict(Counter(each.reason for each in those if each.outcome is Outcome.REFUSED)),
        unanswered=sum(each.outcome is Outcome.UNANSWERED for each in those),
        slowest=max((each.seconds for each in those), default=0.0),
        hindrances=dict(hindrances.most_common()),
    )
