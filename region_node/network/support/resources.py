"""The resources that this region lends: kept by its staff, found by all regions'."""

from collections.abc import Callable, Sequence
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1.support_envelopes_pb2 import SupportSearch
from gateway.api.region.v1.support_resource_service_pb2 import ListResourcesResponse, ResourceKind, SharedResource
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.rpc.pages import page_after
from gateway.store.port import Transaction
from gateway.time.clock import dated, from_microseconds, is_dated, to_microseconds, to_timestamp
from region_node.network.support.bookings import require_lent_within, require_unlent
from region_node.network.support.registry import HIGHEST_COUNT, MODEL_LIMIT, require_model
from region_node.node.context import RegionContext
from region_node.requests.checks import require_length, require_name

_PAGE = "resources"
_COLUMNS = "resource_id, kind, title, site, quantity, start_time, end_time, conditions"


def require_resource(context: RegionContext, resource: SharedResource) -> None:
    """Raises Refused unless a resource may be entered so, also with SITE_UNKNOWN."""
    require_name("resource.id", resource.id)
    require_kind("resource.kind", resource.kind, required=True)
    require_model("resource.title", resource.title)
    if resource.conditions:
        require_model("resource.conditions", resource.conditions)
    if not 1 <= resource.quantity <= HIGHEST_COUNT:
        raise invalid("resource.quantity", f"not 1 to {HIGHEST_COUNT}", f"须为1至{HIGHEST_COUNT}")
    if context.federation.network.site(resource.site).region != context.region:
        raise invalid("resource.site", "of another region", "属于其他地区")
    start, end = (_instant(each) for each in (resource.start_time, resource.end_time))
    if end and start >= end:
        raise invalid("resource.end_time", "not behind the start", "须晚于开始时间")


def require_kind(field: str, kind: ResourceKind.ValueType, *, required: bool = False) -> None:
    """Raises Refused for an unknown kind, and for none where it is required."""
    if kind not in ResourceKind.values() or (required and not kind):
        raise invalid(field, "not set", "未填写")


def keep_resource(tx: Transaction, resource: SharedResource, now: datetime) -> None:
    """Enters a resource, or enters it anew. Raises Refused with RESOURCE_LENT where more or longer is booked."""
    require_unlent(tx, resource.id, resource.quantity, now)
    require_lent_within(tx, resource)
    tx.execute(
        f"INSERT INTO shared_resources ({_COLUMNS})"  # noqa: S608 - column names only
        " VALUES (:id, :kind, :title, :site, :quantity, :start, :end, :conditions) ON CONFLICT (resource_id)"
        " DO UPDATE SET kind = excluded.kind, title = excluded.title, site = excluded.site,"
        " quantity = excluded.quantity, start_time = excluded.start_time, end_time = excluded.end_time,"
        " conditions = excluded.conditions",
        id=resource.id,
        kind=resource.kind,
        title=resource.title,
        site=resource.site,
        quantity=resource.quantity,
        start=_instant(resource.start_time),
        end=_instant(resource.end_time),
        conditions=resource.conditions,
    )


def remove_resource(tx: Transaction, resource_id: str, now: datetime) -> None:
    """Takes a resource off. Raises Refused with SUPPORT_ENTRY_NOT_FOUND, RESOURCE_LENT."""
    require_unlent(tx, resource_id, 0, now)
    if not tx.execute("DELETE FROM shared_resources WHERE resource_id = :id", id=resource_id):
        raise Refused(Reason.REASON_SUPPORT_ENTRY_NOT_FOUND, entry=resource_id)


def require_known(tx: Transaction, context: RegionContext, resource_id: str) -> SharedResource:
    """A resource of this region. Raises Refused with SUPPORT_ENTRY_NOT_FOUND."""
    found = tx.first(
        _read(context.region),
        f"SELECT {_COLUMNS} FROM shared_resources WHERE resource_id = :id",  # noqa: S608 - column names only
        id=resource_id,
    )
    if found is None:
        raise Refused(Reason.REASON_SUPPORT_ENTRY_NOT_FOUND, entry=resource_id)
    return found


def resources_page(tx: Transaction, context: RegionContext, asked: SupportSearch) -> ListResourcesResponse:
    """A page of the resources of this region, by id. Raises Refused with REQUEST_INVALID and TOKEN_INVALID."""
    wanted = asked.resources
    require_kind("search.kind", wanted.kind)
    require_length("search.title", wanted.title, MODEL_LIMIT)
    require_length("search.site", wanted.site, MODEL_LIMIT)
    found: Sequence[SharedResource] = tx.all(
        _read(context.region),
        f"SELECT {_COLUMNS} FROM shared_resources WHERE (:kind = 0 OR kind = :kind)"  # noqa: S608 - column names only
        " AND (:site = '' OR site = :site) ORDER BY resource_id",
        kind=wanted.kind,
        site=wanted.site,
    )
    words = wanted.title.casefold()
    named = [each for each in found if words in each.title.casefold()]
    page, token = page_after(_PAGE, named, resource_key, asked.page_size, asked.page_token)
    return ListResourcesResponse(resources=page, next_page_token=token)


def resource_key(resource: SharedResource) -> str:
    """Where a resource stands in lists."""
    return f"{resource.region} {resource.id}"


def _read(region: str) -> Callable[..., SharedResource]:
    def resource(
        resource_id: str,
        kind: ResourceKind.ValueType,
        title: str,
        site: str,
        quantity: int,
        start_time: int,
        end_time: int,
        conditions: str,
    ) -> SharedResource:
        return SharedResource(
            region=region,
            id=resource_id,
            kind=kind,
            title=title,
            site=site,
            quantity=quantity,
            start_time=to_timestamp(from_microseconds(start_time)) if start_time else None,
            end_time=to_timestamp(from_microseconds(end_time)) if end_time else None,
            conditions=conditions,
        )

    return resource


def _instant(told: Timestamp) -> int:
    """An instant in microseconds; 0 for none. Raises Refused for one outside of the calendar."""
    if not told.ByteSize():
        return 0
    if not is_dated(told):
        raise invalid("resource", "no instant", "不是有效时刻")
    return to_microseconds(dated(told))
