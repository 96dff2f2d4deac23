"""NoticeService: the notices to the region's customers, delivered and waiting."""

import grpc

from gateway.api.region.v1 import notice_service_pb2 as api
from gateway.api.region.v1.notice_service_pb2_grpc import NoticeServiceServicer
from gateway.federation.numberplan import normalize
from gateway.rpc.pages import dated_key, dated_place, decode_token, first_page, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock, from_timestamp
from region_node.customers.notices.rows import notices_after
from region_node.customers.rows import find_line
from region_node.requests.auditing import AuditedCall, audited_call

_PAGE = "notices"


class NoticeService(NoticeServiceServicer):
    """See the contract."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def ListNotices(
        self,
        request: api.ListNoticesRequest,
        context: grpc.aio.ServicerContext[api.ListNoticesRequest, api.ListNoticesResponse],
    ) -> api.ListNoticesResponse:
        """See the contract."""
        asked = audited_call(request.requester, self._clock)
        number = normalize(request.number) if request.number else ""
        size, after = page_size(request.page_size), dated_place(decode_token(_PAGE, request.page_token)) or (0, "")
        found = await self._store.write(lambda tx: _read(tx, number, after, size + 1, asked))
        notices, token = first_page(_PAGE, found, size, _written)
        return api.ListNoticesResponse(notices=notices, next_page_token=token)


def _read(tx: Transaction, number: str, after: tuple[int, str], limit: int, asked: AuditedCall) -> list[api.Notice]:
    found = notices_after(tx, number, after, limit)
    line = find_line(tx, number) if number else None
    asked.record(tx, "ListNotices", line.customer_id if line else "-", f"{len(found)} read")
    return found


def _written(notice: api.Notice) -> str:
    return dated_key(from_timestamp(notice.create_time), notice.id)
