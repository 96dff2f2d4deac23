"""The world of the story: a federation of real processes, its actors, and the orders so far."""

import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from deploy.demo.cast import Administrator, Counter, Reviewer
from deploy.demo.client import Client
from deploy.demo.stage import Stage
from deploy.local.federation import OPERATOR, LocalFederation
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.region.v1.customer_service_pb2 import Customer, ProductStatus, RatingType
from gateway.api.types.v1.types_pb2 import Document
from gateway.time.clock import from_timestamp

REGIONS = ("guangdong", "sichuan", "henan")
REVIEWERS = ("zhao.min", "li.na")  # staff of Sichuan
_SIM_SETTLES = timedelta(hours=72)
_GENEROUS = 25_000  # minor units: enough for roaming and a new card
_COMFORTABLE = 10_000  # minor units: more than any monthly rent of Sichuan's plans


class People:
    """The customers of the story, chosen from the generated ones by the needs of the story."""

    def __init__(self, customers: Mapping[str, Sequence[Customer]]) -> None:
        free = [each for each in customers["sichuan"] if _is_free(each)]
        self.traveller = next(each for each in free if each.product.plan_id != "sichuan-99")
        self.mover, self.local = [each for each in free if each is not self.traveller][:2]
        self.debtor = next(
            each for each in customers["sichuan"] if each.billing_account.balance.minor_units < 0 and _is_active(each)
        )
        self.talkative = next(
            each
            for each in free[3:]
            if each.product.rating_type == RatingType.RATING_TYPE_PREPAID and each.product.plan_id == "sichuan-29"
        )
        self.regular = next(each for each in free[3:] if _is_generous(each))
        self.settler = free[-1]
        self.visitor_in_henan = next(each for each in customers["guangdong"] if _is_free(each))


@dataclass
class World:
    """The context of a chapter."""

    stage: Stage
    federation: LocalFederation
    configuration: Configuration
    counters: Mapping[str, Counter]
    reviewers: Mapping[str, Reviewer]
    administrator: Administrator
    people: People
    orders: list[str] = field(default_factory=list)

    @property
    def here(self) -> Counter:
        """The counter in Guangdong, where most of the story plays."""
        return self.counters["guangdong"]

    @property
    def home(self) -> Counter:
        """The counter in Sichuan, the customers' home."""
        return self.counters["sichuan"]

    @asynccontextmanager
    async def acting(self, clerk: str) -> AsyncIterator[Counter]:
        """The counter in Sichuan, with the proof that this clerk acts through it."""
        client = Client(self.federation.region_replicas("sichuan", f"sichuan-{OPERATOR}", clerk))
        try:
            yield Counter("sichuan", client)
        finally:
            await client.close()

    async def code(self, request_id: str, number: str) -> str:
        """The one-time code for a request, from the customer's telephone."""
        await self.here.send_code(request_id, number)
        texts = self.federation.phones("sichuan").texts(number)
        return str(re.findall(r"\d{6}", texts[-1].en)[0])

    async def verified(self, request_id: str, number: str, said: Collection[str], password: str = "") -> list[Document]:
        """Sichuan's attestation for a request after the customer's code (OTP), password (PWD) or both."""
        code = await self.code(request_id, number) if "OTP" in said else ""
        return await self.here.verify(request_id, number, code, password if "PWD" in said else "")

    def name(self, region: str) -> str:
        """A region's name in both languages."""
        found = next(each.name for each in self.configuration.regions if each.id == region)
        return f"{found.en} {found.zh_cn}"


def _is_generous(customer: Customer) -> bool:
    """Whether the customer has ring tones, and money for roaming and a new card."""
    return bool(customer.product.subscriptions) and customer.billing_account.balance.minor_units >= _GENEROUS


def _is_active(customer: Customer) -> bool:
    return customer.product.status == ProductStatus.PRODUCT_STATUS_ACTIVE


def _is_free(customer: Customer) -> bool:
    """Whether no rule of the catalogue prevents this customer's business."""
    product, now = customer.product, datetime.now(UTC)
    return (
        _is_active(customer)
        and customer.billing_account.balance.minor_units >= _COMFORTABLE
        and not product.binding
        and not (product.HasField("contract_end_time") and from_timestamp(product.contract_end_time) > now)
        and not (product.HasField("sim_replace_time") and now - from_timestamp(product.sim_replace_time) < _SIM_SETTLES)
    )
