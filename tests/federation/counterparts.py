"""Customers and requests for any business of the catalogue, made from what the catalogue says of it."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from gateway.api.federation.v1.configuration_pb2 import Business, DocumentRequirement
from gateway.api.region.v1.billing_service_pb2 import UsageKind
from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.region.v1.order_service_pb2 import ReviewDecision
from gateway.api.types.v1.types_pb2 import Applicant, Document
from gateway.federation.documents import parse_alternatives
from gateway.time.clock import from_timestamp
from region_node.business.orders.rules import VERIFY
from region_node.customers.verification.rules import CHECKED_AT_HOME, attest
from tests.federation.business_cases import BALANCE, BusinessCase
from tests.federation.counter import REQUESTER, Counter, Reviewer
from tests.federation.running import Federation, until

HOLDER = Applicant.APPLICANT_HOLDER


def usual_codes(requirement: DocumentRequirement) -> list[str]:
    """An alternative of each line, without code or password if possible; each document once."""
    chosen = (
        min(parse_alternatives(line), key=lambda alternative: len(CHECKED_AT_HOME.intersection(alternative)))
        for line in requirement.all_of
    )
    return list(dict.fromkeys(code for alternative in chosen for code in alternative))


def requirement_of(business: Business, applicant: Applicant.ValueType) -> DocumentRequirement:
    """The catalogue's requirement for an applicant."""
    return next(each for each in business.documents if each.applicant == applicant)


@dataclass(frozen=True)
class Handling:
    """A business for a new customer of one region at the counter of another."""

    federation: Federation
    business: Business
    case: BusinessCase
    counter: Counter
    at_home: Counter

    async def new_customer(self, balance: int = BALANCE, **line: object) -> str:
        """A customer as the case needs one, but for `line`; returns the number, empty where a line is to be opened."""
        if self.business.home_characteristic:
            return ""
        now = self.federation.clock.now()
        fields = {
            name: now + value if isinstance(value, timedelta) else value
            for name, value in {**self.case.line, **line}.items()
        }
        number = self.federation.next_number(self.at_home.region)
        customer = self.at_home.customer(number, balance=balance, name="王芳", **fields)
        for offering in self.case.subscriptions:
            customer.product.subscriptions.add(
                id=f"{customer.product.id}/{offering}", offering_id=offering, start_time=customer.product.start_time
            )
        await self.at_home.create(customer)
        if self.case.call_seconds:
            await self.at_home.record_usage(number, UsageKind.USAGE_KIND_CALL, self.case.call_seconds)
        return number

    def documents(self, number: str, request_id: str, codes: Iterable[str], age: timedelta) -> list[Document]:
        """Documents of a person nobody knows yet; codes and passwords as the home region attests them."""
        subject = f"{self.counter.region}/{self.counter.name}/{request_id}"
        found = []
        for code in codes:
            document = self.counter.document(code, age=age)
            if code in CHECKED_AT_HOME:
                key = verification_key(self.federation, self.at_home.region)
                document = attest(key, subject, number, code, from_timestamp(document.verify_time))
            else:
                document.keyed_hash = hashlib.sha256(f"{subject} {code}".encode()).digest()
            found.append(document)
        return found

    async def submit(
        self,
        number: str,
        *,
        applicant: Applicant.ValueType = HOLDER,
        codes: Sequence[str] | None = None,
        characteristics: Mapping[str, str] | None = None,
        age: timedelta = timedelta(minutes=1),
    ) -> Order:
        """Hands in a request, by default a good one, and waits for the home region."""
        request_id, said = self.federation.next_id(), self.case.characteristics
        month = f"{self.federation.clock.now() + timedelta(hours=8):%Y-%m}"
        if codes is None:
            codes = usual_codes(requirement_of(self.business, applicant))
        request = OrderRequest(
            business=self.business.code,
            number=number,
            applicant=applicant,
            documents=self.documents(number, request_id, codes, age),
            characteristics={
                name: value.replace("{month}", month)
                for name, value in (said if characteristics is None else characteristics).items()
            },
            requester=REQUESTER,
        )
        return await self.counter.submit(request, request_id=request_id)

    async def carry_through(self, order: Order) -> Order:
        """Does whatever the order waits for, until it is final."""
        reviewer = Reviewer(self.federation, self.at_home.region)
        while order.HasField("awaiting"):
            awaited = order.awaiting.action
            if awaited in ("review", VERIFY):
                await reviewer.decide(order.id, ReviewDecision.REVIEW_DECISION_APPROVE)
            elif awaited in ("confirm", "accept"):
                await self.counter.confirm(order.id)
            else:
                await self.federation.advance(from_timestamp(order.awaiting.due_time) - self.federation.clock.now())
            order = await self._after(order.id, awaited)
        return order

    async def _after(self, order_id: str, awaited: str) -> Order:
        """The order as this region has it once it waits for something else."""
        order = Order()

        async def holds() -> bool:
            order.CopyFrom(await self.counter.get(order_id))
            return order.awaiting.action != awaited

        await until(holds, f"{order_id} waits for {awaited} no longer")
        return order


def verification_key(federation: Federation, region: str) -> bytes:
    """The key by which a region attests codes and passwords; made where it has none yet."""
    database = federation.database(region)
    query = "SELECT value FROM secrets WHERE name = 'verification'"
    if not database.rows(query):
        database.change(f"INSERT INTO secrets (name, value) VALUES ('verification', {database.blob(bytes(32))})")
    ((key,),) = database.rows(query)
    assert isinstance(key, bytes)
    return key
