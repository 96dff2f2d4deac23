"""Waiting callers, woken by commits of this process and of others on the same database."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.admission import elsewhere
from gateway.security.identity import Identity
from gateway.store.port import CommittedElsewhere, OutcomeLost, Store, Transaction
from region_node.requests.caller import Caller
from region_node.requests.rows import RequestSettled, find_request, request_subject

T = TypeVar("T")
LOOK_AGAIN = 1.0  # seconds until the store is looked at again after it refused
WATCHES = 32  # of one certificate at one process: each wakes with every change


class Changes:
    """Wakes callers that wait for the answer to a request, or for any change.

    `closed` once the process stops.
    """

    def __init__(self, store: Store) -> None:
        self._requests: dict[tuple[str, str], set[asyncio.Event]] = {}
        self._watching: dict[asyncio.Event, Identity] = {}
        self._store = store
        self._looking: set[asyncio.Task[None]] = set()
        self.closed = False
        self.round = 0  # counts the wake-ups of watchers: data read in an earlier round may be outdated
        store.subscribe(RequestSettled, self._request_settled)
        store.subscribe(CommittedElsewhere, self._committed_elsewhere)
        store.subscribe(OutcomeLost, lambda _: self._committed_elsewhere(CommittedElsewhere(frozenset())))

    async def answered(self, caller: Caller, writing: Awaitable[T], wait: float) -> T:
        """The result of `writing`, once the other region has answered the stored request, or after `wait` seconds."""
        event, key = asyncio.Event(), (caller.operator, caller.request_id)
        waiting = self._requests.setdefault(key, set())
        waiting.add(event)
        try:
            written = await writing
            if wait and not await self._store.read(lambda tx: _settled(tx, [key])):
                with suppress(TimeoutError), elsewhere():
                    async with asyncio.timeout(wait):
                        await event.wait()
            return written
        finally:
            waiting.discard(event)
            if not waiting:
                self._requests.pop(key, None)

    @contextmanager
    def watch(self, identity: Identity) -> Iterator[asyncio.Event]:
        """An event that is set at every change. Raises Refused with WATCHES_TOO_MANY."""
        if sum(each == identity for each in self._watching.values()) >= WATCHES:
            raise Refused(Reason.REASON_WATCHES_TOO_MANY, watches=str(WATCHES))
        event = asyncio.Event()
        self._watching[event] = identity
        try:
            yield event
        finally:
            del self._watching[event]

    def close(self) -> None:
        """Ends all watches, so that the process can stop; watchers resume elsewhere after their last token."""
        self.closed = True
        self.wake_watchers()

    def _request_settled(self, settled: RequestSettled) -> None:
        for event in self._requests.get((settled.caller, settled.request_id), ()):
            event.set()

    def look(self, read: Callable[[Transaction], T], found: Callable[[T], None]) -> None:
        """Reads as soon as the store is available, passes the data on, and wakes the watchers."""
        task = asyncio.get_running_loop().create_task(self._look(read, found))
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def _look(self, read: Callable[[Transaction], T], found: Callable[[T], None]) -> None:
        try:
            found(await self._store.read(read))
        except Refused:  # the store may be away just now
            await asyncio.sleep(LOOK_AGAIN)
            self.look(read, found)
        else:
            self.wake_watchers()

    def _committed_elsewhere(self, committed: CommittedElsewhere) -> None:
        """Another process may have settled a request of a caller here; without subjects, any request."""
        subjects, anything = committed.subjects, not committed.subjects
        keys = [each for each in self._requests if anything or request_subject(*each) in subjects]
        if keys or (anything and self._watching):
            self.look(lambda tx: _settled(tx, keys), self._all_settled)
        if anything:
            self.wake_watchers()

    def _all_settled(self, keys: Sequence[tuple[str, str]]) -> None:
        for key in keys:
            self._request_settled(RequestSettled(*key))

    def wake_watchers(self) -> None:
        """Wakes the watchers after a change."""
        self.round += 1
        for event in self._watching:
            event.set()


def _settled(tx: Transaction, keys: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The requests that are settled."""
    known = [(key, find_request(tx, *key)) for key in keys]
    return [key for key, request in known if request is not None and request.settled]
