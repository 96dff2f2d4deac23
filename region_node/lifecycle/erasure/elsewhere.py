"""Where complaints are kept besides this region."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.store.port import Transaction
from region_node.care.complaints.rows import AboutNumber, find_complaint


@dataclass(frozen=True)
class Elsewhere:
    """A complaint, or a work item, at a region."""

    region: str
    docket: str
    traceparent: str


def kept_elsewhere(tx: Transaction, complaints: Iterable[AboutNumber]) -> Sequence[Elsewhere]:
    """The regions that took in or answered one of these complaints, and those that have returned one, each once.

    To be asked while the complaints are readable: who has returned a complaint before it became a case is in the case.
    """
    found: dict[Elsewhere, None] = {}
    for each in complaints:
        regions = [each.handling_region, each.owner_region]
        row = find_complaint(tx, each.docket)
        if row is not None:
            regions += [item.region for item in row.complaint.items if item.docket == each.docket]
        found |= dict.fromkeys(Elsewhere(region, each.docket, each.traceparent) for region in sorted(set(regions)))
    return list(found)
