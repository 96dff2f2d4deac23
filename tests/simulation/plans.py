"""What operators want, drawn from the seed before anything runs: the oracle of the checks starts from here."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Document, Requester
from gateway.clock import to_timestamp
from tests.simulation.world import NOBODYS, PLANS, REGIONS, UNPLANNED, subscribers

OPERATORS = ("counter", "app")
_DOCUMENTS = {
    "SUSPEND": ("ID_ORIG",),
    "RESUME": ("ID_ORIG",),
    "PLAN_CHANGE": ("ID_ORIG",),
    "TERMINATE": ("ID_ORIG", "FACE", "SIM", "REFUND_ACC"),
}
# What is verified by the home region instead, where that succeeds.
VERIFIED = {"RESUME": ("PWD",), "PLAN_CHANGE": ("PWD", "OTP")}
_BUSINESSES = ("PAY", "PAY", "SUSPEND", "SUSPEND", "RESUME", "PLAN_CHANGE", "TERMINATE")


@dataclass
class Errand:
    """One order as its operator wants it, and what the operator was told about it."""

    region: str
    operator: str
    request_id: str
    business: str
    number: str
    amount: int
    begins: float  # virtual seconds
    starts_after: timedelta | None
    ends_after: timedelta | None
    plan: str
    cancels_after: float | None  # seconds after it was taken in
    expedites: bool
    agrees: bool
    answers: bool  # whether the customer confirms or supplements at all
    resends: bool
    request: OrderRequest | None = None
    accepted: bool = False
    refused: Reason.ValueType | None = None
    cancel_asked: bool = False
    seen: list[Order] = field(default_factory=list)
    commands: dict[str, Reason.ValueType | None] = field(default_factory=dict)
    """What was told last of each command: why it was refused, None where it was taken in."""

    @property
    def order_id(self) -> str:
        """The id of its order."""
        return f"{self.region}/{self.operator}/{self.request_id}"

    def fill_in(self, now: datetime, verified: Sequence[Document] = ()) -> OrderRequest:
        """The request, with its times counted from now; it stays the same from then on.

        `verified` is what the home region attests, in the place of papers.
        """
        if self.request is None:
            self.request = OrderRequest(
                business=self.business,
                number=self.number,
                applicant=Applicant.APPLICANT_HOLDER,
                documents=verified or documents(_DOCUMENTS.get(self.business, ()), now),
                characteristics=self._characteristics(now),
                requester=Requester(staff_id=f"clerk-{self.operator}", channel=Channel.CHANNEL_COUNTER),
            )
        return self.request

    def _characteristics(self, now: datetime) -> dict[str, str]:
        match self.business:
            case "PAY":
                return {"amount": str(self.amount)}
            case "PLAN_CHANGE":
                return {"plan": self.plan}
            case "TERMINATE":
                return {"refund_account": "62220000"}
        values = {"reason": "abroad"}
        if self.starts_after is not None:
            values["start"] = (now + self.starts_after).isoformat()
        if self.ends_after is not None:
            values["end"] = (now + (self.starts_after or timedelta(0)) + self.ends_after).isoformat()
        return values


def documents(codes: tuple[str, ...], now: datetime) -> list[Document]:
    """Attested documents, verified now."""
    verified = to_timestamp(now)
    return [Document(code=code, verifier="clerk", verify_time=verified, keyed_hash=bytes(32)) for code in codes]


def draw_errands(source: random.Random, count: int, seconds: float) -> list[Errand]:
    """So many errands, spread over a time."""
    return [_draw(source, index, seconds) for index in range(count)]


def _draw(source: random.Random, index: int, seconds: float) -> Errand:
    business = source.choice(_BUSINESSES)
    number, home = _number(source, business)
    agreed = business in ("SUSPEND", "RESUME") and source.random() < 0.35
    return Errand(
        region=source.choice(REGIONS),
        operator=source.choice(OPERATORS),
        request_id=f"r{index}",
        business=business,
        number=number,
        amount=source.randint(1, 9_999),
        begins=source.uniform(0.0, seconds),
        starts_after=_delay(source) if agreed else None,
        ends_after=_delay(source) if business == "SUSPEND" and source.random() < 0.4 else None,
        plan=source.choice(PLANS[home]),
        cancels_after=source.choice((0.0, 0.01, 0.3, 1.0, 3.0, 20.0)) if source.random() < 0.35 else None,
        expedites=source.random() < 0.2,
        agrees=source.random() < 0.8,
        answers=source.random() < 0.85,
        resends=source.random() < 0.5,
    )


def _number(source: random.Random, business: str) -> tuple[str, str]:
    chance = source.random()
    if chance < 0.04:
        return NOBODYS, "sichuan"
    if chance < 0.08:
        return UNPLANNED, "henan"
    wanted = {"RESUME": "suspended", "PAY": "moves", "SUSPEND": "moves"}.get(business, "")
    found = [each for each in subscribers() if each.number != UNPLANNED]
    if wanted and source.random() < 0.3:
        found = [each for each in found if wanted in each.traits]
    chosen = source.choice(found)
    return chosen.number, chosen.region


def _delay(source: random.Random) -> timedelta:
    return source.choice(
        (
            timedelta(seconds=source.randint(1, 30)),
            timedelta(hours=source.randint(1, 40)),
            timedelta(days=source.randint(2, 4)),
        )
    )
