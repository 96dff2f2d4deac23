"""Usage of the region's own lines (TMF635 Usage): imported once, rated, and listed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.api.region.v1.billing_service_pb2 import Usage, UsageKind
from gateway.api.region.v1.customer_service_pb2 import RatingType
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import Refused, invalid
from gateway.federation.numberplan import normalize
from gateway.store import vault
from gateway.store.port import Transaction, Value
from gateway.time.clock import from_microseconds, from_timestamp, to_microseconds, to_timestamp
from gateway.wording.masking import masked_number, prints_masked
from region_node.business.billing.bills import find_bill
from region_node.business.billing.charging import Tariffs, line_month, lines_of_account
from region_node.business.billing.cycle import tariff_of
from region_node.business.billing.rating import CHARGE_OF, itemise, volume_of
from region_node.business.billing.rules import Month
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import charge
from region_node.customers.rows import Line, find_line, line_of
from region_node.node.context import RegionContext
from region_node.node.subjects import number_subject
from region_node.requests.auditing import AuditedCall
from region_node.requests.checks import require_length

BATCH_LIMIT = 500
LISTED_LIMIT = 10_000  # uses on one bill: the limit of one response
LARGEST_QUANTITY = 2**40
_ID_LIMIT = 100
_NUMBER_LIMIT = 32
_AHEAD = timedelta(minutes=5)  # the tolerance for a metering clock that is ahead


@prints_masked(other_number=masked_number)
@dataclass(frozen=True)
class UsageRow:
    """A call, message or use of data; the quantity is in the unit of its kind."""

    usage_id: str
    kind: UsageKind.ValueType
    usage_time: datetime
    quantity: int
    other_number: str


@prints_masked(number=masked_number)
@dataclass(frozen=True)
class NewUsage:
    """Usage to import, with its number."""

    number: str
    row: UsageRow


def read_usage(usage: Usage, index: int) -> NewUsage:
    """The usage in a request. Raises Refused for an invalid field."""
    field = f"usage[{index}]"
    require_length(f"{field}.id", usage.id, _ID_LIMIT, required=True)
    require_length(f"{field}.other_number", usage.other_number, _NUMBER_LIMIT)
    if not usage.kind or usage.kind not in UsageKind.values():
        raise invalid(f"{field}.kind", "not set", "未填写")
    if not 0 < usage.quantity <= LARGEST_QUANTITY:
        raise invalid(f"{field}.quantity", "not positive", "须为正数")
    if usage.kind == UsageKind.USAGE_KIND_MESSAGE and usage.quantity != 1:
        raise invalid(f"{field}.quantity", "a message is 1", "一条短信的数量为1")
    try:
        began = from_timestamp(usage.usage_time)
    except OverflowError:
        raise invalid(f"{field}.usage_time", "out of range", "超出范围") from None
    row = UsageRow(usage.id, usage.kind, began, usage.quantity, usage.other_number)
    return NewUsage(normalize(usage.number), row)


def record_usage(tx: Transaction, context: RegionContext, batch: Sequence[NewUsage], asked: AuditedCall) -> int:
    """Imports usage, all or none; returns the number of new uses. Existing usage stays unchanged.

    Usage of a billed month is charged in the first unbilled one. Prepaid lines pay immediately. Raises Refused with
    USAGE_RECORDED_OTHERWISE for an id with other content, with SUBSCRIPTION_NOT_FOUND or LINE_CLOSED. Raises Refused
    with REQUEST_INVALID for usage in the future or older than bills are kept.
    """
    new: dict[str, NewUsage] = {}
    for each in batch:
        known = new.get(each.row.usage_id) or _recorded(tx, each)
        if known is None:
            new[each.row.usage_id] = each
        elif known != each:
            raise Refused(Reason.REASON_USAGE_RECORDED_OTHERWISE, usage=each.row.usage_id)
    placed = [(each.row, *_place(tx, context, each, asked.now)) for each in new.values()]
    prices = _prices_at_once(tx, context, placed)
    for row, line, month in placed:
        _insert(tx, row, line, month)
        amount = prices.get(row.usage_id)
        if amount:
            kind = CHARGE_OF[row.kind]
            posting = charge(f"{line.account_id}/{month.name}#{kind}/{row.usage_id}", kind, amount, line.account_id)
            time = min(max(asked.now, month.start), month.last_instant)
            ledger.post(tx, posting, context.currency, time)
    if placed:
        asked.record(tx, "RecordUsage", f"{len(placed)} uses")
    return len(placed)


def list_usage(tx: Transaction, context: RegionContext, account: str, month: Month) -> list[Usage]:
    """The account's usage in the charges of a month, in order, each with its cost beyond the allowance.

    Raises Refused with MESSAGE_TOO_LARGE above the limit of one response.
    """
    found: list[Usage] = []
    for line in lines_of_account(tx, account):
        rows = _rows(tx, line, month)
        if len(found) + len(rows) > LISTED_LIMIT:
            raise Refused(Reason.REASON_MESSAGE_TOO_LARGE, limit=str(LISTED_LIMIT))
        tariffs = Tariffs(context.federation)
        tariff = tariff_of(line_month(tx, tariffs, line, month), month, month.end, tariffs.plan)
        amounts = itemise([volume_of(row.kind, row.quantity) for row in rows], tariff)
        found += [
            Usage(
                id=row.usage_id,
                number=line.number,
                kind=row.kind,
                usage_time=to_timestamp(row.usage_time),
                quantity=row.quantity,
                other_number=row.other_number,
                amount=Money(minor_units=amount, currency=context.currency),
            )
            for row, amount in zip(rows, amounts, strict=True)
        ]
    return sorted(found, key=lambda each: (each.usage_time.ToMicroseconds(), each.id))


def _place(tx: Transaction, context: RegionContext, new: NewUsage, now: datetime) -> tuple[Line, Month]:
    """The line, and the month that charges it. Raises Refused."""
    line, began = find_line(tx, new.number), new.row.usage_time
    if line is None:
        raise Refused(Reason.REASON_SUBSCRIPTION_NOT_FOUND)
    if line.is_closed:
        raise Refused(Reason.REASON_LINE_CLOSED)
    running, kept = Month.at(now, context.time_zone), (context.region, context.region)
    oldest = running.before(context.federation.figure("bills-kept", kept))
    if not oldest.start <= began <= now + _AHEAD:
        raise invalid("usage_time", "in the future, or not kept any more", "时间在未来，或已超出保存期")
    month = Month.at(began, context.time_zone)
    while find_bill(tx, line.account_id, month.name) is not None:
        month = month.next()
    return line, month


def _prices_at_once(
    tx: Transaction, context: RegionContext, placed: Sequence[tuple[UsageRow, Line, Month]]
) -> dict[str, int]:
    """The cost that each use of a prepaid line adds to its month, by usage id.

    The earlier usage of a line is added up once for all of its uses.
    """
    months: dict[tuple[str, str], list[tuple[UsageRow, Line, Month]]] = {}
    for each in placed:
        _, line, month = each
        if line.rating_type == RatingType.RATING_TYPE_PREPAID:
            months.setdefault((line.product_id, month.name), []).append(each)
    tariffs, prices = Tariffs(context.federation), dict[str, int]()
    for uses in months.values():
        _, line, month = uses[0]
        before = line_month(tx, tariffs, line, month)
        tariff = tariff_of(before, month, month.end, tariffs.plan)
        amounts = itemise([volume_of(row.kind, row.quantity) for row, _, _ in uses], tariff, before.used)
        prices.update(zip((row.usage_id for row, _, _ in uses), amounts, strict=True))
    return prices


def _recorded(tx: Transaction, told: NewUsage) -> NewUsage | None:
    """The recorded usage of an id; parts erased since count as equal to the new message."""
    found = tx.first(
        _Recorded,
        "SELECT usage_id, kind, usage_time, quantity, sealed, product_id FROM usage_records WHERE usage_id = :id",
        id=told.row.usage_id,
    )
    if found is None:
        return None
    line = line_of(tx, found.product_id)
    number = told.number if line is None else line.number
    other: str | None = ""
    if found.sealed is not None:
        other = _opened(tx, number_subject(tx, number), found.usage_id, found.sealed)
    if other is None:
        other = told.row.other_number
    return NewUsage(
        number, UsageRow(found.usage_id, found.kind, from_microseconds(found.usage_time), found.quantity, other)
    )


def _insert(tx: Transaction, row: UsageRow, line: Line, month: Month) -> None:
    tx.execute(
        "INSERT INTO usage_records"
        " (usage_id, product_id, account_id, month, kind, usage_time, quantity, other_number, sealed)"
        " VALUES (:usage_id, :product_id, :account_id, :month, :kind, :usage_time, :quantity, '', :sealed)",
        usage_id=row.usage_id,
        product_id=line.product_id,
        account_id=line.account_id,
        month=month.name,
        kind=row.kind,
        usage_time=to_microseconds(row.usage_time),
        quantity=row.quantity,
        sealed=_seal_other_number(tx, line.number, row.usage_id, row.other_number) if row.other_number else None,
    )


@dataclass(frozen=True)
class _Clear:
    usage_id: str
    product_id: str
    other_number: str = field(repr=False)


def seal_clear_usage(tx: Transaction, limit: int) -> int:
    """Seals at most so many uses that a version without sealing has written; returns how many.

    It reads the number under whose key a use is sealed from its line, which is sealed before.
    """
    rows = tx.all(
        _Clear,
        "SELECT usage_id, product_id, other_number FROM usage_records WHERE other_number <> ''"
        " ORDER BY usage_id LIMIT :limit",
        limit=limit,
    )
    updates: list[dict[str, Value]] = []
    for row in rows:
        line = line_of(tx, row.product_id)
        sealed = None if line is None else _seal_other_number(tx, line.number, row.usage_id, row.other_number)
        updates.append({"id": row.usage_id, "sealed": sealed})
    tx.execute_many("UPDATE usage_records SET sealed = :sealed, other_number = '' WHERE usage_id = :id", updates)
    return len(rows)


def _seal_other_number(tx: Transaction, number: str, usage_id: str, other_number: str) -> bytes:
    """Seals the other number of a use, for its row."""
    return vault.seal(tx, number_subject(tx, number), _place_of(usage_id), other_number.encode())


@dataclass(frozen=True)
class _AtRest:
    usage_id: str
    kind: UsageKind.ValueType
    usage_time: int
    quantity: int
    sealed: bytes | None


@dataclass(frozen=True)
class _Recorded(_AtRest):
    product_id: str


def _rows(tx: Transaction, line: Line, month: Month) -> list[UsageRow]:
    """The uses of a line. The other number is empty after the erasure of the line's number."""
    found = tx.all(
        _AtRest,
        "SELECT usage_id, kind, usage_time, quantity, sealed FROM usage_records"
        " WHERE product_id = :product AND month = :month ORDER BY usage_time, usage_id LIMIT :limit",
        product=line.product_id,
        month=month.name,
        limit=LISTED_LIMIT + 1,
    )
    subject = number_subject(tx, line.number)
    return [
        UsageRow(row.usage_id, row.kind, from_microseconds(row.usage_time), row.quantity, _other(tx, subject, row))
        for row in found
    ]


def _other(tx: Transaction, subject: str, row: _AtRest) -> str:
    return "" if row.sealed is None else _opened(tx, subject, row.usage_id, row.sealed) or ""


def _opened(tx: Transaction, subject: str, usage_id: str, sealed: bytes) -> str | None:
    """None where the line's number was erased."""
    opened = vault.open_if_kept(tx, subject, _place_of(usage_id), sealed)
    return None if opened is None else opened.decode()


def _place_of(usage_id: str) -> str:
    return f"usage_records/{usage_id}"
