"""RENEW 到期续约: a new contract after, or instead of, the current one (specification 3.4)."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

from gateway.api.federation.v1.configuration_pb2 import Offering, OfferingKind
from gateway.api.region.v1.order_pb2 import Quote
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused
from gateway.time.clock import to_timestamp
from gateway.values.money import in_major_units
from region_node.business.orders.business import BusinessRule, Effects, Situation
from region_node.business.orders.contracts import CONTRACT, contract_end, contract_of, contract_subscription


class Rule(BusinessRule):
    """Binds a line for a further term, which begins at the end of the current one, or immediately without one."""

    offering_kind: ClassVar[OfferingKind.ValueType] = CONTRACT

    def check(self, situation: Situation) -> None:
        """The region offers the contract, and the running one ends soon."""
        _contract(situation)
        end = situation.line.contract_end
        window = timedelta(days=situation.federation.figure("renewal-window", situation.regions))
        if end is not None and situation.now < end - window:
            dates = {"until": end, "from": end - window}
            raise Refused(Reason.REASON_CONTRACT_NOT_DUE, **{name: _day(situation, at) for name, at in dates.items()})

    def quote(self, situation: Situation) -> Quote:
        """The contract, its start and end, and its discount on the rent."""
        contract, start = _contract(situation), _start(situation)
        end = contract_end(start, contract.months, situation.time_zone)
        first, last = _day(situation, start), _day(situation, end)
        discount = in_major_units(contract.price.minor_units, contract.price.currency)
        return Quote(
            description=LocalizedText(
                zh_cn=f"{contract.name.zh_cn}，{first}起至{last}，每月优惠{discount}",
                en=f"{contract.name.en}, from {first} until {last}, {discount} off the rent of each month",
            ),
            amount=contract.price,
            effective_time=to_timestamp(start) if start > situation.now else None,
        )

    def fulfil(self, situation: Situation) -> Effects:
        """The line is bound until the end of the new term."""
        bound = contract_subscription(situation, _contract(situation), situation.line.product_id, _start(situation))
        line = replace(situation.line, contract_end=bound.end_time)
        return Effects(line, subscriptions=(bound,))


def _contract(situation: Situation) -> Offering:
    contract = contract_of(situation)
    if contract is None:
        raise Refused(Reason.REASON_OFFERING_UNKNOWN, offering="")
    return contract


def _start(situation: Situation) -> datetime:
    end = situation.line.contract_end
    return situation.now if end is None else max(end, situation.now)


def _day(situation: Situation, instant: datetime) -> str:
    return instant.astimezone(ZoneInfo(situation.time_zone)).date().isoformat()
