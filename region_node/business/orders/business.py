"""Business rules: pure functions from a situation to a quote, a refusal or effects; and the owner of a request.

Each business is data in the catalogue and one module in `businesses/` with a class `Rule`, named like its code. A
business that needs no rule of its own names another's in the catalogue, or WORK_ORDER.
Checks of several businesses stand here.
"""

import hashlib
import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, cast

from gateway.api.federation.v1.configuration_pb2 import Business, LineKind, Offering, OfferingKind
from gateway.api.region.v1.customer_service_pb2 import Product, ProductStatus, SuspensionKind
from gateway.api.region.v1.order_pb2 import Order, OrderRequest, Quote
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Document
from gateway.errors import Refused, invalid
from gateway.federation.catalogue import Federation
from gateway.time.clock import from_timestamp
from region_node.business.billing.wording import resumed
from region_node.business.orders.records import HomeRecords
from region_node.business.orders.rules import Value, characteristic_invalid, read_characteristics
from region_node.customers.accounts.rules import Posting
from region_node.customers.notices.rows import Notice
from region_node.customers.preconditions import LineSituation
from region_node.customers.rows import CustomerRow, Line
from region_node.customers.subscriptions import Subscription


def owner_of(federation: Federation, request: OrderRequest) -> str | None:
    """The home region of a request: by its number, or by the customer's choice for a new line.

    None where no region is known for the number. Raises Refused for an unknown business or region, for a missing or
    superfluous number, and as `read_characteristics`.
    """
    prepared = federation.prepared(request.business)
    business = prepared.business
    if not business.home_characteristic:
        if not request.number:
            raise Refused(Reason.REASON_NUMBER_INVALID, number="")
        return federation.number_plan.home_of(request.number)
    if request.number:
        raise invalid(
            "number",
            f"left empty for {business.code}: the line does not exist yet",
            f"{business.code}须留空：线路尚不存在",
        )
    return chosen_region(federation, business, read_characteristics(prepared, request))


def chosen_region(federation: Federation, business: Business, values: Mapping[str, Value]) -> str:
    """The region that the customer chose. Raises Refused with REGION_UNKNOWN, or where none was chosen."""
    chosen = values.get(business.home_characteristic)
    if chosen is None:
        raise Refused(Reason.REASON_CHARACTERISTIC_MISSING, business=business.code, name=business.home_characteristic)
    return federation.region(str(chosen)).id


def order_tag(order_id: str) -> str:
    """The stem of ids that belong to an order: 24 characters that reveal nothing about it."""
    return hashlib.sha256(order_id.encode()).hexdigest()[:24]


def line_to_open(order: Order) -> Line:
    """The future line of an order: ids that belong to the order, no number, no plan."""
    tag = order_tag(order.id)
    return Line(
        product_id=f"line-{tag}",
        customer_id=f"customer-{tag}",
        account_id=f"account-{tag}",
        number="",
        status=ProductStatus.PRODUCT_STATUS_CREATED,
        plan_id="",
        start_time=from_timestamp(order.create_time),
        contract_end=None,
        binding="",
        sim_replaced=None,
        suspension_reason="",
        suspension_end=None,
    )


@dataclass(frozen=True)
class Situation(LineSituation):
    """The input of the home region's decision.

    For an order that opens a line, `line` is the future line: without a number, in the state CREATED.
    """

    order: Order = field(repr=False)
    business: Business
    values: Mapping[str, Value] = field(repr=False)
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
    def region(self) -> str:
        """The home region, which decides."""
        return self.regions[1]


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

    opens_line: ClassVar[LineKind.ValueType] = LineKind.LINE_KIND_UNSPECIFIED
    """The kind of line that its orders make, at the region of the `home_characteristic`; unspecified for none."""
    offering_kind: ClassVar[OfferingKind.ValueType] = OfferingKind.OFFERING_KIND_UNSPECIFIED
    """The kind of the offerings that its orders name; unspecified for any."""
    ends_subscription: ClassVar[bool] = False
    """Whether its orders name an offering that the line has, other than a contract."""

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

    def credited(self, order: Order) -> int:
        """The money that the order has the home region credit, for the limits of money, in minor units; 0 for none.

        The origin region is to pay it.
        """
        return 0

    def is_paid_out(self, order: Order) -> bool:
        """Whether the credited money is owed to the customer, instead of set off against bills."""
        return False

    def given_up(self, order: Order) -> tuple[Posting, ...]:
        """The origin region's bookings when the order ended without effect."""
        return ()


def require_period(situation: Situation) -> None:
    """Requires an agreed `end`, if any, after the agreed `start` and in the future.

    Raises Refused with CHARACTERISTIC_INVALID for an end that was never possible. Raises Refused with ORDER_EXPIRED for
    an end that has passed while the order waited.
    """
    end = situation.time("end")
    if end is None:
        return
    if end <= (situation.time("start") or from_timestamp(situation.order.create_time)):
        raise characteristic_invalid("end", "not after the start", "须晚于开始时间")
    if end <= situation.now:
        raise Refused(Reason.REASON_ORDER_EXPIRED)


def chosen_offering(situation: Situation) -> Offering:
    """The home region's offering that the request names. Raises Refused with OFFERING_UNKNOWN."""
    offering = situation.federation.offering(situation.text("offering"))
    if offering.region != situation.region:
        raise Refused(Reason.REASON_OFFERING_UNKNOWN, offering=offering.id)
    return offering


def ending_offerings(sold: Sequence[Offering], line: Product, now: datetime) -> Sequence[Offering]:
    """The offerings of a line of which a customer may end the subscription: those that run, but for contracts.

    `sold` are the offerings of its home region; one that was withdrawn from them has its id alone.
    """
    known = {each.id: each for each in sold}
    running = dict.fromkeys(
        each.offering_id
        for each in line.subscriptions
        if from_timestamp(each.start_time) <= now
        and (not each.HasField("end_time") or now < from_timestamp(each.end_time))
    )
    found = [known.get(each, Offering(id=each)) for each in running]
    return [each for each in found if each.kind != OfferingKind.OFFERING_KIND_CONTRACT]


def after_credit(situation: Situation, amount: int) -> tuple[Line, tuple[Notice, ...]]:
    """The line after an order has credited `amount`, and the notices to the customer, as `line_after_credit`."""
    return line_after_credit(situation.order.id, situation.line, situation.records, amount, situation.now)


def line_after_credit(
    cause: str, line: Line, records: HomeRecords, amount: int, now: datetime
) -> tuple[Line, tuple[Notice, ...]]:
    """The line after `amount`, in minor units, was credited, and the notices; `cause` is the id of the credit.

    The records are those of before the credit. Once nothing is overdue the line is in service again in the same
    transaction. This is well within the strictest limit for it (policy `resume-after-payment`).
    """
    is_barred = (
        line.status == ProductStatus.PRODUCT_STATUS_SUSPENDED
        and line.suspension_kind == SuspensionKind.SUSPENSION_KIND_ARREARS
    )
    if not is_barred or records.overdue(line.account_id, now) > amount:
        return line, ()
    return line.resumed(), (resumed(cause, line.number),)


def load_rules() -> dict[str, BusinessRule]:
    """All rules by business code: every module of `businesses/` is one."""
    package = importlib.import_module("region_node.business.orders.businesses")
    modules = pkgutil.iter_modules(package.__path__)
    return {
        module.name.upper(): importlib.import_module(f"{package.__name__}.{module.name}").Rule() for module in modules
    }
