"""The decision of a member of staff, executed once for each request id."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeVar

from google.protobuf.message import Message

from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from region_node.requests.caller import Caller, done_before, note
from region_node.requests.calling import caller_of
from region_node.requests.checks import require_request_id
from region_node.requests.rows import insert_request


class _Identified(Protocol):
    """The message of a decision; its id is the subject of the audit row."""

    @property
    def id(self) -> str: ...


D = TypeVar("D", bound=_Identified)


class StaffDecisions:
    """The decisions of the current call's caller, with an audit row for each."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def once(
        self,
        request_id: str,
        request: Message,
        action: str,
        decide: Callable[[Transaction, Caller, datetime], D],
        known: Callable[[Transaction, str], D],
    ) -> D:
        """The result of `decide`; for a repeated request its current state, by its id.

        Raises Refused with REQUEST_INVALID, REQUEST_ID_REUSED for other content, and as `decide`.
        """
        require_request_id(request_id)
        caller = caller_of(request_id)
        content = request.SerializeToString(deterministic=True)
        key, now = caller.key(hashlib.sha256(action.encode()).digest() + content), self._clock.now()

        def in_transaction(tx: Transaction) -> D:
            earlier = done_before(tx, key)
            if earlier is not None:
                return known(tx, earlier)
            done = decide(tx, caller, now)
            insert_request(tx, key, done.id, settled=True, now=now)
            note(tx, caller, action, done.id, now)
            return done

        return await self._store.write(in_transaction)
