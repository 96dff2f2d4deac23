"""ImportService: how far the imports of files are."""

from collections.abc import Sequence
from dataclasses import dataclass

import grpc

from gateway.api.region.v1 import import_service_pb2 as api
from gateway.api.region.v1.import_service_pb2_grpc import ImportServiceServicer
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.pages import dated_key, dated_place, decode_token, first_page, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import from_microseconds, from_timestamp, to_timestamp

_PAGE = "imports"
_NEWEST = (2**62, b"")


class ImportService(ImportServiceServicer):
    """See the contract."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ListImports(
        self,
        request: api.ListImportsRequest,
        context: grpc.aio.ServicerContext[api.ListImportsRequest, api.ListImportsResponse],
    ) -> api.ListImportsResponse:
        """See the contract."""
        size, before = page_size(request.page_size), _before(request.page_token)
        found = await self._store.read(lambda tx: _imports(tx, before, size + 1))
        imports, token = first_page(_PAGE, found, size, _place)
        return api.ListImportsResponse(imports=imports, next_page_token=token)


@dataclass(frozen=True)
class _Row:
    sha256: bytes
    lines: int
    created: int
    existing: int
    rejected: int
    time: int


def _before(token: str) -> tuple[int, bytes]:
    """The place behind which a page begins. Raises Refused with TOKEN_INVALID for a token of no page."""
    place = dated_place(decode_token(_PAGE, token))
    if place is None:
        return _NEWEST
    try:
        return place[0], bytes.fromhex(place[1])
    except ValueError:
        raise Refused(Reason.REASON_TOKEN_INVALID) from None


def _imports(tx: Transaction, before: tuple[int, bytes], limit: int) -> Sequence[api.Import]:
    """At most `limit` imports, the last changed first, before a time in microseconds and a hash."""
    time, sha256 = before
    rows = tx.all(
        _Row,
        "SELECT sha256, lines, created, existing, rejected, time FROM imports"
        " WHERE time < :time OR (time = :time AND sha256 < :sha256) ORDER BY time DESC, sha256 DESC LIMIT :limit",
        time=time,
        sha256=sha256,
        limit=limit,
    )
    return [
        api.Import(
            sha256=each.sha256,
            lines=each.lines,
            processed=each.created + each.existing + each.rejected,
            created=each.created,
            existing=each.existing,
            rejected=each.rejected,
            change_time=to_timestamp(from_microseconds(each.time)),
        )
        for each in rows
    ]


def _place(listed: api.Import) -> str:
    return dated_key(from_timestamp(listed.change_time), listed.sha256.hex())
