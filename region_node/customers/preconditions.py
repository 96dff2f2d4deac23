"""The preconditions that the catalogue names, as checks of a line at its home region."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.configuration_pb2 import Precondition
from gateway.api.region.v1.customer_service_pb2 import CardKind, ProductStatus, SuspensionKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.federation.policies import MONTH_BEGIN, SIM_SETTLES
from gateway.store.port import Transaction
from gateway.values.money import in_major_units
from region_node.customers.accounts import ledger
from region_node.customers.rows import Line
from region_node.node.context import RegionContext

ACTIVE = ProductStatus.PRODUCT_STATUS_ACTIVE
SUSPENDED = ProductStatus.PRODUCT_STATUS_SUSPENDED


@dataclass(frozen=True)
class LineSituation:
    """A line at its home region at the time of an order. `balance` is in minor units, `now` in UTC.

    `regions` are the ordering and the home region: the stricter of their policies counts.
    """

    line: Line
    balance: int
    now: datetime
    regions: tuple[str, str]
    currency: str
    time_zone: str
    federation: Federation


def line_situation(tx: Transaction, context: RegionContext, line: Line, asking: str, now: datetime) -> LineSituation:
    """A line of this region at the time of an order from the region `asking`."""
    return LineSituation(
        line=line,
        balance=ledger.balance(tx, line.account_id),
        now=now,
        regions=(asking, context.region),
        currency=context.currency,
        time_zone=context.time_zone,
        federation=context.federation,
    )


def require_preconditions(preconditions: Iterable[Precondition.ValueType], situation: LineSituation) -> None:
    """Raises Refused with the reason of the first unfulfilled precondition."""
    for precondition in preconditions:
        CHECKS[precondition](situation)


def status_name(status: ProductStatus.ValueType) -> str:
    """The TMF637 name of a status, for example `suspended`."""
    return ProductStatus.Name(status).removeprefix("PRODUCT_STATUS_").lower().replace("_", " ")


def require_not_promised(line: Line) -> None:
    """Raises Refused with LINE_PROMISED where an item of a joint order has promised the end of a line."""
    if line.promised_to:
        raise Refused(Reason.REASON_LINE_PROMISED, order=line.promised_to)


def _line_active(situation: LineSituation) -> None:
    _line_not_closed(situation)
    if situation.line.status != ACTIVE:
        raise Refused(Reason.REASON_LINE_NOT_ACTIVE, status=status_name(situation.line.status))


def _line_suspended(situation: LineSituation) -> None:
    _line_not_closed(situation)
    if situation.line.status != SUSPENDED:
        raise Refused(Reason.REASON_LINE_NOT_SUSPENDED, status=status_name(situation.line.status))


def _line_in_service(situation: LineSituation) -> None:
    _line_not_closed(situation)
    if situation.line.status not in (ACTIVE, SUSPENDED):
        raise Refused(Reason.REASON_LINE_NOT_ACTIVE, status=status_name(situation.line.status))


def _line_not_closed(situation: LineSituation) -> None:
    if situation.line.is_closed:
        raise Refused(Reason.REASON_LINE_CLOSED)


def _line_active_or_lost(situation: LineSituation) -> None:
    _line_not_closed(situation)
    lost = situation.line.suspension_kind == SuspensionKind.SUSPENSION_KIND_LOST
    if situation.line.status != ACTIVE and not lost:
        raise Refused(Reason.REASON_LINE_NOT_ACTIVE, status=status_name(situation.line.status))


def _card_ordinary(situation: LineSituation) -> None:
    if not situation.line.is_mobile or situation.line.card_kind == CardKind.CARD_KIND_SPECIAL:
        raise Refused(Reason.REASON_CARD_NOT_ORDINARY)


def _line_broadband(situation: LineSituation) -> None:
    if situation.line.is_mobile:
        raise Refused(Reason.REASON_LINE_NOT_BROADBAND)


def _no_arrears(situation: LineSituation) -> None:
    if situation.balance < 0:
        raise Refused(Reason.REASON_IN_ARREARS, amount=in_major_units(-situation.balance, situation.currency))


def _no_contract(situation: LineSituation) -> None:
    end = situation.line.contract_end
    if end is not None and end > situation.now:
        local = end.astimezone(ZoneInfo(situation.time_zone))
        raise Refused(Reason.REASON_UNDER_CONTRACT, until=local.date().isoformat())


def _no_binding(situation: LineSituation) -> None:
    if situation.line.binding:
        raise Refused(Reason.REASON_LINE_BOUND, binding=situation.line.binding)


def _sim_settled(situation: LineSituation) -> None:
    replaced = situation.line.sim_replaced
    if replaced is None:
        return
    hours = situation.federation.figure(SIM_SETTLES, situation.regions)
    if situation.now - replaced < timedelta(hours=hours):
        raise Refused(Reason.REASON_SIM_TOO_NEW, hours=str(hours))


def _month_begun(situation: LineSituation) -> None:
    days = situation.federation.figure(MONTH_BEGIN, situation.regions)
    today = situation.now.astimezone(ZoneInfo(situation.time_zone)).date()
    if today.day <= days:
        possible = today.replace(day=1) + timedelta(days=days)
        raise Refused(Reason.REASON_MONTH_TOO_NEW, days=str(days), date=possible.isoformat())


CHECKS: Mapping[Precondition.ValueType, Callable[[LineSituation], None]] = {
    Precondition.PRECONDITION_LINE_ACTIVE: _line_active,
    Precondition.PRECONDITION_LINE_SUSPENDED: _line_suspended,
    Precondition.PRECONDITION_LINE_IN_SERVICE: _line_in_service,
    Precondition.PRECONDITION_LINE_NOT_CLOSED: _line_not_closed,
    Precondition.PRECONDITION_NO_ARREARS: _no_arrears,
    Precondition.PRECONDITION_NO_CONTRACT: _no_contract,
    Precondition.PRECONDITION_NO_BINDING: _no_binding,
    Precondition.PRECONDITION_SIM_SETTLED: _sim_settled,
    Precondition.PRECONDITION_LINE_ACTIVE_OR_LOST: _line_active_or_lost,
    Precondition.PRECONDITION_CARD_ORDINARY: _card_ordinary,
    Precondition.PRECONDITION_LINE_BROADBAND: _line_broadband,
    Precondition.PRECONDITION_MONTH_BEGUN: _month_begun,
    Precondition.PRECONDITION_LINE_NOT_PROMISED: lambda situation: require_not_promised(situation.line),
}
