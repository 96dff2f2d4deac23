"""The migration of customers: from a message to rows, and the comparison with existing rows."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.federation.v1.configuration_pb2 import LineKind
from gateway.api.region.v1 import customer_service_pb2 as api
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.federation.catalogue import Federation
from gateway.federation.numberplan import normalize
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp
from region_node.customers.accounts.rules import is_of_the_books
from region_node.customers.other_contacts.rules import named_contacts
from region_node.customers.rows import (
    CustomerRow,
    Line,
    LineNames,
    accounts_in_use,
    customers_of,
    lines_numbered,
    product_ids_in_use,
    taken_over_content,
)
from region_node.customers.subscriptions import Subscription
from region_node.requests.checks import TEXT_LIMIT, require_length

NAME_LIMIT = 100  # characters of an id or a binding
_LARGEST_BALANCE = 10**12  # minor units, owed or in credit: sums stay exact in every store
_InstantField = Literal["start_time", "contract_end_time", "sim_replace_time", "suspension_end_time"]


@dataclass(frozen=True)
class NewCustomer:
    """A customer to migrate, with the balance (minor units) of the opening entry."""

    customer: CustomerRow
    line: Line
    balance: int
    subscriptions: tuple[Subscription, ...] = ()
    other_contacts: tuple[tuple[str, datetime | None], ...] = field(default=(), repr=False)
    """Numbers in E.164, each with the time from which it gets codes, where that is told."""
    digest: bytes = field(default=b"", repr=False)
    """The digest of all content of the customer; empty for content that nobody will send again."""


def new_customer(customer: api.Customer, currency: str) -> NewCustomer:
    """The customer as rows. Raises Refused for an invalid field."""
    product, account = customer.product, customer.billing_account
    _require_texts(customer)
    _require_enums(product)
    if is_of_the_books(account.id):
        raise invalid("billing_account.id", "the name of one of the region's own accounts", "与本地区自有账户重名")
    if account.balance.currency != currency:
        problem, chinese = f"the accounts of this region are in {currency}", f"本地区账户的币种为{currency}"
        raise invalid("billing_account.balance.currency", problem, chinese)
    if abs(account.balance.minor_units) > _LARGEST_BALANCE:
        problem, chinese = f"more than {_LARGEST_BALANCE} minor units", f"超过{_LARGEST_BALANCE}个最小货币单位"
        raise invalid("billing_account.balance.minor_units", problem, chinese)
    line = Line(
        product_id=product.id,
        customer_id=customer.id,
        account_id=account.id,
        number=normalize(product.number),
        status=product.status,
        plan_id=product.plan_id,
        start_time=_instant(product, "start_time") or from_timestamp(product.start_time),
        contract_end=_instant(product, "contract_end_time"),
        binding=product.binding,
        sim_replaced=_instant(product, "sim_replace_time"),
        suspension_reason=product.suspension_reason,
        suspension_end=_instant(product, "suspension_end_time"),
        kind=product.kind,
        rating_type=product.rating_type,
        suspension_kind=product.suspension_kind,
        card_kind=product.card_kind,
        address=product.address,
    )
    row = CustomerRow(customer.id, customer.name, customer.email)
    normal = api.Customer()
    normal.CopyFrom(customer)
    normal.product.number = line.number
    digest = hashlib.sha256(normal.SerializeToString(deterministic=True)).digest()
    contacts = _contacts(customer)
    return NewCustomer(row, line, account.balance.minor_units, _subscriptions(product), contacts, digest)


def _contacts(customer: api.Customer) -> tuple[tuple[str, datetime | None], ...]:
    numbers = named_contacts("other_contacts", (each.number for each in customer.other_contacts))
    times = [
        _time(each.effective_time, f"other_contacts[{index}].effective_time")
        if each.HasField("effective_time")
        else None
        for index, each in enumerate(customer.other_contacts)
    ]
    return tuple(zip(numbers, times, strict=True))


def _subscriptions(product: api.Product) -> tuple[Subscription, ...]:
    found = []
    for index, each in enumerate(product.subscriptions):
        path = f"product.subscriptions[{index}]"
        require_length(f"{path}.id", each.id, 2 * NAME_LIMIT, required=True)
        if not each.id.startswith(f"{product.id}/"):  # unique in the region without looking
            problem, chinese = "does not begin with the id of the line and a slash", "未以线路编号加斜杠开头"
            raise invalid(f"{path}.id", problem, chinese)
        require_length(f"{path}.offering_id", each.offering_id, NAME_LIMIT, required=True)
        start = _time(each.start_time, f"{path}.start_time")
        end = _time(each.end_time, f"{path}.end_time") if each.HasField("end_time") else None
        found.append(Subscription(each.id, product.id, each.offering_id, start, end))
    return tuple(found)


def require_own_plan(line: Line, federation: Federation, region: str) -> None:
    """Raises Refused with PLAN_UNKNOWN unless the region offers the plan of a line: no bill could be made by it."""
    if federation.plan(line.plan_id).region != region:
        raise Refused(Reason.REASON_PLAN_UNKNOWN, plan=line.plan_id)


def require_ours(line: Line, federation: Federation, region: str) -> None:
    """Raises Refused unless the number plan gives the number to the region, and the region offers the plan.

    NUMBER_UNRESOLVED or NOT_HOME for the number, PLAN_UNKNOWN for the plan.
    """
    home = federation.number_plan.home_of(line.number)
    if home is None:
        raise Refused(Reason.REASON_NUMBER_UNRESOLVED, number=line.number)
    if home != region:
        raise Refused(Reason.REASON_NOT_HOME, region=region)
    require_own_plan(line, federation, region)


class Registered:
    """The region's existing data of some migrated customers, and those admitted since.

    `require_new` raises Refused for a line that may not be added; those of existing customers may be as they are.
    """

    def __init__(
        self, tx: Transaction, batch: Sequence[NewCustomer], require_new: Callable[[Line], None] = lambda _: None
    ) -> None:
        self._tx = tx
        self._require_new = require_new
        lines = [each.line for each in batch]
        numbers, ids = [line.number for line in lines], [line.product_id for line in lines]
        self._customers = dict(customers_of(tx, [line.customer_id for line in lines]))
        self._lines = {each.number: each for each in lines_numbered(tx, numbers)}
        self._product_ids = product_ids_in_use(tx, ids)
        self._accounts = accounts_in_use(tx, [line.account_id for line in lines])

    def admits(self, new: NewCustomer) -> bool:
        """Whether the customer is new, and admits the customer; False for an existing one with the same content.

        Raises Refused with CUSTOMER_EXISTS where the number or one of the ids has other content, and as `require_new`.
        Later changes here are not other content. Customers migrated before contents were stored are compared by names
        and ids only.
        """
        line, content = new.line, self._content(new)
        found, is_known = self._lines.get(line.number), line.customer_id in self._customers
        if found is None and not is_known:
            if line.product_id in self._product_ids or line.account_id in self._accounts:
                raise Refused(Reason.REASON_CUSTOMER_EXISTS, number=line.number)
            self._require_new(line)
            self._let_in(new, content)
            return True
        same_line = found is not None and (found.customer_id, found.product_id) == (line.customer_id, line.product_id)
        if found is not None and found.content is not None:
            is_same = found.content == content
        else:
            is_same = self._customers.get(line.customer_id) == new.customer
        if not same_line or not is_same:
            raise Refused(Reason.REASON_CUSTOMER_EXISTS, number=line.number)
        return False

    def _content(self, new: NewCustomer) -> str | None:
        return taken_over_content(self._tx, new.digest) if new.digest else None

    def _let_in(self, new: NewCustomer, content: str | None) -> None:
        line = new.line
        self._customers[line.customer_id] = new.customer
        self._lines[line.number] = LineNames(line.number, line.product_id, line.customer_id, content)
        self._product_ids.add(line.product_id)
        self._accounts.add(line.account_id)


_SHORT_TEXTS: Mapping[str, Callable[[api.Customer], str]] = {
    "product.plan_id": lambda customer: customer.product.plan_id,
    "product.binding": lambda customer: customer.product.binding,
}
_TEXTS: Mapping[str, Callable[[api.Customer], str]] = {
    "email": lambda customer: customer.email,
    "product.suspension_reason": lambda customer: customer.product.suspension_reason,
    "product.address": lambda customer: customer.product.address,
}
_IDS: Mapping[str, Callable[[api.Customer], str]] = {
    "id": lambda customer: customer.id,
    "product.id": lambda customer: customer.product.id,
    "billing_account.id": lambda customer: customer.billing_account.id,
}
_ENUMS: Mapping[str, tuple[Callable[[api.Product], int], frozenset[int]]] = {
    "status": (lambda product: product.status, frozenset(api.ProductStatus.values())),
    "kind": (lambda product: product.kind, frozenset(LineKind.values())),
    "rating_type": (lambda product: product.rating_type, frozenset(api.RatingType.values())),
    "suspension_kind": (lambda product: product.suspension_kind, frozenset(api.SuspensionKind.values())),
    "card_kind": (lambda product: product.card_kind, frozenset(api.CardKind.values())),
}


def _require_texts(customer: api.Customer) -> None:
    require_length("name", customer.name, TEXT_LIMIT, required=True)
    for name, read in _IDS.items():
        require_length(name, read(customer), NAME_LIMIT, required=True)
    for name, read in _SHORT_TEXTS.items():
        require_length(name, read(customer), NAME_LIMIT)
    for name, read in _TEXTS.items():
        require_length(name, read(customer), TEXT_LIMIT)


def _require_enums(product: api.Product) -> None:
    if not product.status:
        raise invalid("product.status", "not set", "未填写")
    for name, (read, known) in _ENUMS.items():
        if read(product) not in known:
            raise invalid(f"product.{name}", "not a value of the contract", "契约中没有该值")
    is_suspended = product.status == api.ProductStatus.PRODUCT_STATUS_SUSPENDED
    if product.suspension_kind and not is_suspended:
        raise invalid("product.suspension_kind", "the line is not suspended", "该线路未停机")


def _instant(product: api.Product, field: _InstantField) -> datetime | None:
    """An instant of a line, if it is set. Raises Refused for an instant outside of the calendar."""
    return _time(getattr(product, field), f"product.{field}") if product.HasField(field) else None


def _time(timestamp: Timestamp, field: str) -> datetime:
    try:
        return from_timestamp(timestamp)
    except OverflowError:
        raise invalid(field, "out of range", "超出允许范围") from None
