"""Parts of a repair: free within the warranty, else at a price that the customer accepts (6.1 and 6.3). Pure."""

from datetime import datetime

from gateway.api.region.v1.fault_pb2 import Fault, QuoteState, RepairPart
from gateway.api.region.v1.fault_service_pb2 import WorkOnFaultRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import Refused, invalid
from gateway.time.clock import to_timestamp
from region_node.network.faults import rules
from region_node.requests.checks import require_length

FREE = QuoteState.QUOTE_STATE_FREE
OFFERED = QuoteState.QUOTE_STATE_OFFERED
ACCEPTED = QuoteState.QUOTE_STATE_ACCEPTED
REFUSED = QuoteState.QUOTE_STATE_REFUSED
MOST_PARTS = 20


def add(fault: Fault, wanted: WorkOnFaultRequest.NamePart, currency: str) -> None:
    """Adds a part to replace. Within the warranty it is free, without a price, unless people have broken it.

    Raises Refused.
    """
    require_length("name_part.name", wanted.name, rules.NAME_LIMIT, required=True)
    known = fault.repair.parts
    if len(known) >= MOST_PARTS:
        raise invalid("name_part", f"more than {MOST_PARTS} parts", f"超过{MOST_PARTS}个配件")
    is_covered = wanted.in_warranty and not wanted.human_caused
    price = wanted.price if wanted.HasField("price") or not is_covered else Money(currency=currency)
    if price.minor_units < 0 or price.currency != currency:
        raise invalid("name_part.price", f"not an amount of {currency}", f"须为{currency}金额")
    is_free = is_covered or not price.minor_units
    known.add(
        number=len(known) + 1,
        name=wanted.name,
        price=price,
        in_warranty=wanted.in_warranty,
        human_caused=wanted.human_caused,
        quote=FREE if is_free else OFFERED,
    )


def decide(fault: Fault, number: int, *, accepted: bool) -> None:
    """The customer decides on a price. Raises Refused with FAULT_PART_UNKNOWN, also for a part that was decided on."""
    part = _part(fault, number)
    if part.quote != OFFERED:
        raise Refused(Reason.REASON_FAULT_PART_UNKNOWN, part=str(number))
    part.quote = ACCEPTED if accepted else REFUSED


def install(fault: Fault, number: int, now: datetime) -> None:
    """A part was put in. Raises Refused with FAULT_PART_UNKNOWN and FAULT_PRICE_NOT_ACCEPTED."""
    part = _part(fault, number)
    if part.quote not in (FREE, ACCEPTED):
        raise Refused(Reason.REASON_FAULT_PRICE_NOT_ACCEPTED, part=str(number))
    if not part.HasField("install_time"):
        part.install_time.CopyFrom(to_timestamp(now))


def _part(fault: Fault, number: int) -> RepairPart:
    found = next((each for each in fault.repair.parts if each.number == number), None)
    if found is None:
        raise Refused(Reason.REASON_FAULT_PART_UNKNOWN, part=str(number))
    return found
