"""The cost of usage: the plan's allowance first, then packs, then the plan's rates (specification 4.2.1). Pure.

A part of a minute counts as a whole minute, call by call. Data is added up in kibibytes, and rounded up to whole
mebibytes once per cycle and line. So many small uses cost no more than one large use.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.api.federation.v1.configuration_pb2 import Allowance, Plan
from gateway.api.region.v1.billing_service_pb2 import UsageKind
from region_node.customers.accounts.rules import EntryKind

CHARGE_OF = {
    UsageKind.USAGE_KIND_CALL: EntryKind.CALLS,
    UsageKind.USAGE_KIND_MESSAGE: EntryKind.MESSAGES,
    UsageKind.USAGE_KIND_DATA: EntryKind.DATA,
}
SECONDS = 60  # of a minute
KIBIBYTES = 1024  # of a mebibyte


@dataclass(frozen=True)
class Charge:
    """The charge of a line for one kind (minor units), with its evidence in the unit of the kind."""

    kind: EntryKind
    amount: int
    quantity: int
    allowance: int = 0
    rate: int = 0


@dataclass(frozen=True)
class Volume:
    """Usage of one line, added up."""

    minutes: int = 0
    messages: int = 0
    kibibytes: int = 0

    def __add__(self, other: "Volume") -> "Volume":
        return Volume(self.minutes + other.minutes, self.messages + other.messages, self.kibibytes + other.kibibytes)


@dataclass(frozen=True)
class Tariff:
    """The free volume of a cycle, and the price of the rest, in minor units."""

    free: Volume = Volume()
    minute: int = 0
    message: int = 0
    mebibyte: int = 0

    @classmethod
    def of(cls, plan: Plan, packs: Iterable[Allowance]) -> "Tariff":
        """The tariff of a plan with packs."""
        free = sum((volume_in(each) for each in packs), start=volume_in(plan.allowance))
        return cls(free, plan.rates.minute, plan.rates.message, plan.rates.mebibyte)


def volume_in(allowance: Allowance) -> Volume:
    """The usage that an allowance names."""
    return Volume(allowance.minutes, allowance.messages, allowance.mebibytes * KIBIBYTES)


def volume_of(kind: UsageKind.ValueType, quantity: int) -> Volume:
    """The volume of one call, message or use of data, of a quantity in the unit of its kind."""
    if kind == UsageKind.USAGE_KIND_CALL:
        return Volume(minutes=-(-quantity // SECONDS))
    if kind == UsageKind.USAGE_KIND_MESSAGE:
        return Volume(messages=quantity)
    return Volume(kibibytes=quantity)


def rate(used: Volume, tariff: Tariff) -> tuple[Charge, ...]:
    """The cost of usage, by kind, without unused kinds."""
    found = (
        _charge(EntryKind.CALLS, used.minutes, tariff.free.minutes, tariff.minute),
        _charge(EntryKind.MESSAGES, used.messages, tariff.free.messages, tariff.message),
        _charge(EntryKind.DATA, -(-used.kibibytes // KIBIBYTES), tariff.free.kibibytes // KIBIBYTES, tariff.mebibyte),
    )
    return tuple(each for each in found if each.quantity)


def itemise(used: Sequence[Volume], tariff: Tariff, before: Volume = Volume()) -> list[int]:
    """The cost that each use adds, in order, to the cost of the volume `before`. The sum equals that of `rate`."""
    amounts, so_far = [], cost(before, tariff)
    for each in used:
        before += each
        after = cost(before, tariff)
        amounts.append(after - so_far)
        so_far = after
    return amounts


def cost(used: Volume, tariff: Tariff) -> int:
    """The total cost of usage, in minor units."""
    return sum(charge.amount for charge in rate(used, tariff))


def _charge(kind: EntryKind, quantity: int, allowance: int, price: int) -> Charge:
    return Charge(kind, max(0, quantity - allowance) * price, quantity, min(allowance, quantity), price)
