"""Business rules: pure functions from a situation to a quote, a refusal or effects.

Each business is data in the catalogue and one module in `businesses/` with a class `Rule`, named like its code. A
business without its own rule names another's in the catalogue, or WORK_ORDER.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, cast

from gateway.api.federation.v1.configuration_pb2 import Business
from gateway.api.region.v1.order_pb2 import Order, Quote
from gateway.api.types.v1.types_pb2 import Document
from gateway.federation.catalogue import Federation
from region_node.business.orders.records import HomeRecords
from region_node.business.orders.rules import Value
from region_node.customers.accounts.rules import Posting
from region_node.customers.notices.rows import Notice
from region_node.customers.preconditions import LineSituation
from region_node.customers.rows import CustomerRow, Line
from region_node.customers.subscriptions import Subscription


@dataclass(frozen=True)
class Situation:
    """The input of the home region's decision. `balance` is in minor units, `now` in UTC.

    For an order that opens a line, `line` is the future line: without a number, in the state CREATED.
    """

    order: Order = field(repr=False)
    business: Business
    values: Mapping[str, Value] = field(repr=False)
    line: Line
    balance: int
    now: datetime
    region: str
    currency: str
    time_zone: str
    federation: Federation
    records: HomeRecords
    provided: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The results of the region's own system, by name; empty until it has carried out the order."""

    def text(self, name: str) -> str:
        """A text or plan characteristic; empty where the request has none."""
        return cast("str", self.values.get(name, ""))

    def time(self, name: str) -> datetime | None:
        """A time characteristic, if the request has it."""
        return cast("datetime | None", self.values.get(name))

    def amount(self, name: str) -> int:
        """An amount characteristic in minor units; 0 where the request has none."""
        return cast("int", self.values.get(name, 0))

    @property
    def regions(self) -> tuple[str, str]:
        """The origin and the home region, whose stricter policy counts."""
        return self.order.origin_region, self.region

    @property
    def of_line(self) -> LineSituation:
        """The input of the catalogue's preconditions."""
        return LineSituation(
            business=self.business,
            line=self.line,
            balance=self.balance,
            now=self.now,
            regions=self.regions,
            currency=self.currency,
            time_zone=self.time_zone,
            federation=self.federation,
        )


@dataclass(frozen=True)
class Effects:
    """The changes of a fulfilled order at the home region, and the notices.

    `line` is added where its id is new; `customer` too. `subscriptions` are new or changed ones. `identity` names the
    document that identifies the customer from now on. `forgets_password` removes the password until the customer sets
    one with a code.
    """

    line: Line
    postings: tuple[Posting, ...] = ()
    results: Mapping[str, str] = field(default_factory=dict, repr=False)
    customer: CustomerRow | None = None
    subscriptions: tuple[Subscription, ...] = ()
    notices: tuple[Notice, ...] = ()
    identity: Document | None = field(default=None, repr=False)
    forgets_password: bool = False


class BusinessRule:
    """The part of a business that is not data. Each method has a default for businesses that do not need it."""

    opens_line: ClassVar[bool] = False
    """Whether its orders make a line, at the region that the catalogue's `home_characteristic` names."""

    def check(self, situation: Situation) -> None:
        """Raises Refused where the home region cannot do it, beyond the catalogue's preconditions."""

    def start_time(self, situation: Situation) -> datetime | None:
        """The agreed time for the step AGREED_TIME; None for immediately."""
        return situation.time("start")

    def quote(self, situation: Situation) -> Quote:
        """The quote that the customer confirms in the step CONFIRM."""
        raise NotImplementedError(f"{situation.business.code} has nothing to confirm")

    def fulfil(self, situation: Situation) -> Effects:
        """The effect at the home region."""
        raise NotImplementedError(f"{situation.business.code} has no effect")

    def taken_in(self, order: Order) -> tuple[Posting, ...]:
        """The origin region's bookings at intake of an order for another region."""
        return ()

    def done_elsewhere(self, order: Order) -> tuple[Posting, ...]:
        """The origin region's bookings when the home region has completed the order."""
        return ()

    def given_up(self, order: Order) -> tuple[Posting, ...]:
        """The origin region's bookings when the order ended without effect."""
        return ()


def load_rules() -> dict[str, BusinessRule]:
    """All rules by business code: every module of `businesses/` is one."""
    package = importlib.import_module("region_node.business.orders.businesses")
    modules = pkgutil.iter_modules(package.__path__)
    return {
        module.name.upper(): importlib.import_module(f"{package.__name__}.{module.name}").Rule() for module in modules
    }
