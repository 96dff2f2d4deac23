"""Operators' demand, drawn from the seed before anything runs: the oracle of the checks starts from here."""

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Document, Requester
from gateway.time.clock import to_timestamp
from tests.simulation.businesses import LINE_OPENING, PERSONS, WANTS, Want
from tests.simulation.world import NOBODYS, REGIONS, UNPLANNED, subscribers

OPERATORS = ("counter", "app")


@dataclass
class Errand:
    """An order as its operator wants it, and the operator's responses about it."""

    region: str
    operator: str
    request_id: str
    business: str
    number: str
    home: str
    """The region that the order is for at the start."""
    person: str
    """The person of the shown documents."""
    values: Mapping[str, str]
    begins: float  # virtual seconds
    starts_after: timedelta | None
    ends_after: timedelta | None
    verifies: bool
    cancels_after: float | None  # seconds after it was taken in
    expedites: bool
    agrees: bool
    finds_fault: bool
    """Whether the customer finds something wrong with what was done, the first time."""
    answers: bool  # whether the customer confirms or supplements at all
    resends: bool
    request: OrderRequest | None = None
    accepted: bool = False
    refused: Reason.ValueType | None = None
    cancel_asked: bool = False
    seen: list[Order] = field(default_factory=list)
    commands: dict[str, Reason.ValueType | None] = field(default_factory=dict)
    """The last response to each command: the reason of a refusal, None for an accepted one."""

    @property
    def order_id(self) -> str:
        """The id of its order."""
        return f"{self.region}/{self.operator}/{self.request_id}"

    @property
    def want(self) -> Want:
        """Its business as people ask for it."""
        return WANTS[self.business]

    @property
    def amount(self) -> int:
        """The amount that it is about, in minor units; 0 where it is about none."""
        return int(self.values.get("amount", "0"))

    def fill_in(self, now: datetime, verified: Sequence[Document] = ()) -> OrderRequest:
        """The request, with its times counted from now; it stays the same from then on.

        `verified` is what the home region attests, in the place of papers.
        """
        if self.request is None:
            papers = self.want.beside if verified else (*self.want.beside, *self.want.instead)
            self.request = OrderRequest(
                business=self.business,
                number=self.number,
                applicant=Applicant.APPLICANT_HOLDER,
                documents=[*documents(papers, now, self.person), *verified],
                characteristics=self._characteristics(now),
                requester=Requester(staff_id=f"clerk-{self.operator}", channel=Channel.CHANNEL_COUNTER),
            )
        return self.request

    def _characteristics(self, now: datetime) -> dict[str, str]:
        values = dict(self.values)
        if self.starts_after is not None:
            values["start"] = (now + self.starts_after).isoformat()
        if self.ends_after is not None:
            values["end"] = (now + (self.starts_after or timedelta(0)) + self.ends_after).isoformat()
        return values


def documents(codes: Sequence[str], now: datetime, person: str) -> list[Document]:
    """Attested documents of a person, verified now."""
    verified = to_timestamp(now)
    return [
        Document(
            code=code,
            verifier="clerk",
            verify_time=verified,
            keyed_hash=hashlib.sha256(f"{person}/{code}".encode()).digest(),
        )
        for code in codes
    ]


def draw_errands(source: random.Random, count: int, seconds: float) -> list[Errand]:
    """`count` errands, spread over a time."""
    return [_draw(source, index, seconds) for index in range(count)]


def _draw(source: random.Random, index: int, seconds: float) -> Errand:
    business = source.choices(tuple(WANTS), [want.weight for want in WANTS.values()])[0]
    number, home = _number(source, business)
    want, cancels = WANTS[business], (0.0, 0.01, 0.3, 1.0, 3.0, 20.0)
    return Errand(
        region=source.choice(REGIONS),
        operator=source.choice(OPERATORS),
        request_id=f"r{index}",
        business=business,
        number=number,
        home=home,
        person=number or f"person-{source.randrange(PERSONS)}",
        values=want.draw(source, home),
        begins=source.uniform(0.0, seconds),
        starts_after=_delay(source) if want.may_start and source.random() < 0.35 else None,
        ends_after=_delay(source) if want.may_end and source.random() < 0.4 else None,
        verifies=not want.instead or source.random() < 0.7,
        cancels_after=source.choice(cancels) if source.random() < 0.35 else None,
        expedites=source.random() < 0.2,
        agrees=source.random() < 0.8,
        finds_fault=source.random() < 0.3,
        answers=source.random() < 0.85,
        resends=source.random() < 0.5,
    )


def _number(source: random.Random, business: str) -> tuple[str, str]:
    """The number that an errand is about, none for a line to be opened, and the region that it is for."""
    if business in LINE_OPENING:
        return "", source.choice(REGIONS)
    chance = source.random()
    if chance < 0.04:
        return NOBODYS, "sichuan"
    if chance < 0.08:
        return UNPLANNED, "henan"
    wanted = {"RESUME": "suspended", "PAY": "moves", "SUSPEND": "moves"}.get(business, "")
    found = [each for each in subscribers() if each.number != UNPLANNED and "network" not in each.traits]
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
