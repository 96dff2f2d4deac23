"""The terms of a month's settlement between two regions. Pure.

The regions of a pair are ordered by their ids. Each amount is what the first one owes the second, in minor units, so
both regions compute the same terms, and the positions of all regions sum up to zero.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from gateway.api.region.v1.settlement_pb2 import SettlementLine, SettlementTerms
from gateway.api.types.v1.types_pb2 import Money


class Charge(NamedTuple):
    """A record by which one region of a pair owes the other. An empty currency is that of the first region."""

    serial: str
    debtor: str
    amount: int
    currency: str


class Key(NamedTuple):
    """The place of a line in a statement."""

    charge_kind: str
    of_month: str
    currency: str


class Tally(NamedTuple):
    """Charges of the second region less those of the first, and what the first one owes the second for them."""

    quantity: int = 0
    amount: int = 0


def tallied(charges: Iterable[Charge], line: Key, first: str, without: Collection[str]) -> dict[Key, Tally]:
    """The sums of charges by line, in any order of the charges; records `without` are left out.

    `line` has the kind and the month, and the currency of charges that have none.
    """
    found: dict[Key, Tally] = {}
    for each in charges:
        if each.serial not in without:
            key, sign = line._replace(currency=each.currency or line.currency), 1 if each.debtor == first else -1
            known = found.get(key, Tally())
            found[key] = Tally(known.quantity + sign, known.amount + sign * each.amount)
    return found


def lines(now: Mapping[Key, Tally], signed: Iterable[SettlementLine], kinds: Collection[str]) -> list[SettlementLine]:
    """The lines by which the charges of today exceed those signed before, in order; only of known kinds."""
    before: dict[Key, Tally] = {}
    for each in signed:
        known = before.get(key_of(each), Tally())
        before[key_of(each)] = Tally(known.quantity + each.quantity, known.amount + each.amount.minor_units)
    found = []
    for key in sorted(now.keys() | before.keys()):
        if key.charge_kind not in kinds:
            continue
        today, earlier = now.get(key, Tally()), before.get(key, Tally())
        quantity, amount = today.quantity - earlier.quantity, today.amount - earlier.amount
        if quantity or amount:
            found.append(
                SettlementLine(
                    charge_kind=key.charge_kind,
                    of_month=key.of_month,
                    quantity=quantity,
                    amount=Money(minor_units=amount, currency=key.currency),
                )
            )
    return found


def net(terms: Iterable[SettlementLine]) -> list[Money]:
    """The sums of lines, by currency in order."""
    sums: dict[str, int] = {}
    for each in terms:
        sums[each.amount.currency] = sums.get(each.amount.currency, 0) + each.amount.minor_units
    return [Money(minor_units=amount, currency=currency) for currency, amount in sorted(sums.items())]


def differing_line(ours: SettlementTerms, theirs: SettlementTerms) -> Key | None:
    """The first line that is not the same to the cent in both terms; None for equal ones."""
    here, there = ({key_of(each): each for each in terms.lines} for terms in (ours, theirs))
    return next((key for key in sorted(here.keys() | there.keys()) if here.get(key) != there.get(key)), None)


def is_sound(terms: SettlementTerms) -> bool:
    """Whether the lines are in order, each one once, and add up to the net amounts."""
    keys = [key_of(each) for each in terms.lines]
    return keys == sorted(set(keys)) and list(terms.net) == net(terms.lines)


def key_of(line: SettlementLine) -> Key:
    """The place of a line."""
    return Key(line.charge_kind, line.of_month, line.amount.currency)
