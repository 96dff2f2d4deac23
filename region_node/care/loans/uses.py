"""The shared resources of this region, and the loans that hold them: for views of all regions."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import groupby

from gateway.api.region.v1.loan_pb2 import LoanState
from gateway.api.region.v1.resource_oversight_service_pb2 import FreeQuantity, ResourceStatus, ResourceUse
from gateway.api.region.v1.support_envelopes_pb2 import SupportSearch
from gateway.api.region.v1.support_resource_service_pb2 import SharedResource
from gateway.rpc.pages import decode_token, encode_token
from gateway.store.port import Transaction
from gateway.time.clock import from_microseconds, to_timestamp
from region_node.network.support.bookings import Booking, free_times
from region_node.network.support.registry import experts_page, spares_page
from region_node.network.support.resources import resources_page
from region_node.node.context import RegionContext
from region_node.records.listing import Page

MOST = 20  # loans, and instants, that are shown of one resource
_PAGE = "resource status"
_Listed = tuple[Sequence[ResourceStatus], str]


def status_page(tx: Transaction, context: RegionContext, size: int, token: str, now: datetime) -> Page[ResourceStatus]:
    """A page of what this region shares: experts, then spares, then resources; `following` is the token of the next.

    Raises Refused with TOKEN_INVALID.
    """
    kind, _, rest = decode_token(_PAGE, token).partition(" ")
    kinds = list(_LISTS)
    kind = kind if kind in kinds else kinds[0]
    search = SupportSearch(page_size=size, page_token=rest)
    items, following = _LISTS[kind](tx, context, search, now)
    later = kinds[kinds.index(kind) + 1 :]
    place = f"{kind} {following}" if following else "".join(later[:1])
    return Page(list(items), encode_token(_PAGE, place))


def _experts(tx: Transaction, context: RegionContext, search: SupportSearch, now: datetime) -> _Listed:
    search.experts.SetInParent()
    page = experts_page(tx, context, search)
    return [ResourceStatus(expert=each) for each in page.experts], page.next_page_token


def _spares(tx: Transaction, context: RegionContext, search: SupportSearch, now: datetime) -> _Listed:
    search.spares.SetInParent()
    page = spares_page(tx, context, search)
    return [ResourceStatus(spare=each) for each in page.spares], page.next_page_token


def _resources(tx: Transaction, context: RegionContext, search: SupportSearch, now: datetime) -> _Listed:
    search.resources.SetInParent()
    page = resources_page(tx, context, search)
    uses = _uses(tx, [each.id for each in page.resources])
    return [_status(each, uses.get(each.id, ()), now) for each in page.resources], page.next_page_token


_LISTS: Mapping[str, Callable[[Transaction, RegionContext, SupportSearch, datetime], _Listed]] = {
    "experts": _experts,
    "spares": _spares,
    "resources": _resources,
}


def _status(resource: SharedResource, uses: Sequence[tuple[Booking, ResourceUse]], now: datetime) -> ResourceStatus:
    free = free_times(resource, [booked for booked, _ in uses], now)
    return ResourceStatus(
        resource=resource,
        uses=[use for _, use in uses[:MOST]],
        use_count=len(uses),
        free=[FreeQuantity(start_time=to_timestamp(at), quantity=quantity) for at, quantity in free[:MOST]],
    )


def _uses(tx: Transaction, resource_ids: Sequence[str]) -> Mapping[str, Sequence[tuple[Booking, ResourceUse]]]:
    """The bookings of resources by resource, each by its start."""
    names = {f"id{index}": each for index, each in enumerate(resource_ids)}
    if not names:
        return {}

    def use(
        resource_id: str, loan_id: str, quantity: int, start: int, end: int, state: LoanState.ValueType
    ) -> tuple[str, tuple[Booking, ResourceUse]]:
        told = ResourceUse(
            loan_id=loan_id,
            region=loan_id.partition("/")[0],
            quantity=quantity,
            start_time=to_timestamp(from_microseconds(start)),
            end_time=to_timestamp(from_microseconds(end)),
            state=state,
        )
        return resource_id, (Booking(quantity, start, end), told)

    found = tx.all(
        use,
        "SELECT b.resource_id, b.loan_id, b.quantity, b.start_time, b.end_time, COALESCE(l.state, 0)"  # noqa: S608 - names of parameters
        " FROM resource_bookings b LEFT JOIN loans l ON l.loan_id = b.loan_id"
        f" WHERE b.resource_id IN ({', '.join(':' + each for each in names)})"
        " ORDER BY b.resource_id, b.start_time, b.loan_id",
        **names,
    )
    grouped = groupby(found, key=lambda each: each[0])
    return {resource_id: [told for _, told in each] for resource_id, each in grouped}
