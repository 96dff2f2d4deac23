"""Lines opened: each order that was carried out has one, with a number of its own; no other order has left anything."""

import hashlib
from collections import Counter

from region_node.customers.listed_lines import lines_after
from tests.simulation.businesses import LINE_OPENING
from tests.simulation.evidence import Evidence, StoredOrder
from tests.simulation.world import configuration, subscribers

OPENED = "one line per order"
_MOST_LINES = 10_000  # of a region


def check(evidence: Evidence) -> None:
    """All lines of all regions."""
    rows = [
        (region.name, evidence.known(line.product_id), line.number)
        for region in evidence.regions
        for line in region.ports.disk.read(lambda tx: lines_after(tx, "", "", _MOST_LINES))
    ]
    for number, times in Counter(number for _, _, number in rows).items():
        if times > 1:
            evidence.broken(OPENED, "-", f"{number} belongs to {times} lines")
    known = Counter(each.product_id for each in subscribers())
    places = Counter(product for _, product, _ in rows if product in known)
    for product in sorted((known - places) | (places - known)):
        evidence.broken(OPENED, "-", f"{product} is in {places[product]} regions")
    opened: dict[str, list[tuple[str, str]]] = {}
    for region, product, number in rows:
        if product not in known:
            opened.setdefault(product, []).append((region, number))
    for owners in evidence.owned.values():
        for owner in owners:
            if owner.order.request.business in LINE_OPENING and owner.is_fulfilled:
                _line_of(evidence, owner, opened)
    for product, found in opened.items():
        evidence.broken(OPENED, "-", f"{product} was opened by no order that was carried out: {found}")


def _line_of(evidence: Evidence, owner: StoredOrder, opened: dict[str, list[tuple[str, str]]]) -> None:
    """The line of an order that was carried out; takes it from `opened`."""
    order = owner.order
    product = f"line-{hashlib.sha256(order.id.encode()).hexdigest()[:24]}"
    number, wished = order.results.get("number", ""), order.request.characteristics.get("number", "")
    found, wanted = opened.pop(product, []), [(order.request.characteristics.get("region", ""), number)]
    if found != wanted:
        evidence.broken(OPENED, order.id, f"it has opened {found} and not {wanted}")
    elif wished not in ("", number) or not _is_of(owner.region, number):
        evidence.broken(OPENED, order.id, f"{number} is not a number that it may have")


def _is_of(region: str, number: str) -> bool:
    pools = next(each.number_pools for each in configuration().regions if each.id == region)
    return any(int(pool.first) <= int(number) <= int(pool.last) for pool in pools)
