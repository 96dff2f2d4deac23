"""The reads of a kind of ticket by callers: one ticket, and pages of a list, each with its audit row."""

from collections.abc import Callable
from typing import Generic

from gateway.api.types.v1.types_pb2 import Requester
from gateway.rpc.pages import dated_place, decode_token, encode_token, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from region_node.records.listing import Page
from region_node.requests.auditing import audited_call
from region_node.tickets.followed import M
from region_node.tickets.rows import TicketFilter, TicketRows


class TicketReads(Generic[M]):
    """Reads tickets. `page_name` names the list in its tokens."""

    def __init__(self, rows: TicketRows[M], store: Store, clock: Clock, page_name: str) -> None:
        self._rows = rows
        self._store = store
        self._clock = clock
        self._page_name = page_name

    async def get(
        self, method: str, name: str, requester: Requester, find: Callable[[Transaction], M] | None = None
    ) -> M:
        """A ticket by its id, or as `find` shows it to the caller. Raises Refused."""
        reading = audited_call(requester, self._clock)

        def read(tx: Transaction) -> M:
            found = self._rows.require(tx, name).ticket if find is None else find(tx)
            reading.record(tx, method, self._rows.kind.facts(found).name)
            return found

        return await self._store.write(read)

    async def list(
        self, method: str, wanted: TicketFilter, size: int, token: str, requester: Requester
    ) -> tuple[list[M], str]:
        """A page of a list, and the token of the next one. Raises Refused for a bad size or token."""
        reading = audited_call(requester, self._clock)
        limit, before = page_size(size), dated_place(decode_token(self._page_name, token))

        def read(tx: Transaction) -> Page[M]:
            page = self._rows.page(tx, wanted, before, limit)
            reading.record(tx, method, "-", f"{len(page.items)} read")
            return page

        page = await self._store.write(read)
        return page.items, encode_token(self._page_name, page.following)
