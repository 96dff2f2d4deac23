"""Delivers changes to listeners: in order, and repeatedly until the callback has accepted them."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import SplitResult

from gateway.api.region.v1.listener_service_pb2 import EventFormat
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unreachable, is_temporary, reason_name
from gateway.process import failpoints
from gateway.process.running import stop_tasks
from gateway.relay.retry import FullJitter
from gateway.rpc.incidents import incident
from gateway.security.identity import Identity
from gateway.security.message_signatures import signed_headers
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from region_node.listeners import rows
from region_node.listeners.callbacks import Callbacks, Connection
from region_node.listeners.events import ResourceEvent, event_for
from region_node.listeners.forms import callback_of
from region_node.listeners.resources import last_change, resource_of
from region_node.listeners.rows import ListenerRow
from region_node.node.context import RegionContext
from region_node.node.deliveries import Deliveries
from region_node.node.outgoing import Outgoing, Queue
from region_node.records.listened import ABOUT, ListenerChanged
from region_node.requests.changes import Changes

LONGEST_REST = 300.0  # seconds: a repaired callback is told within this time
_TOLD_AT_ONCE = 16  # listeners, by one process
_TURN_SECONDS = 10.0  # of one listener; a post that has begun still ends
# Longer than a turn with its last post. After the death of a process another one goes on.
_CLAIM = timedelta(seconds=30)
# Between two turns of one listener: a region changes many records that its operator system does not see.
_PAUSE = timedelta(seconds=0.2)
_log = logging.getLogger(__name__)

Written = Callable[[ResourceEvent, EventFormat.ValueType], tuple[str, bytes]]
"""The content type and the body of an event in a format."""


@dataclass(frozen=True)
class DeliveryPorts:
    """The ports of the delivery."""

    context: RegionContext
    federation: str
    store: Store
    clock: Clock
    changes: Changes
    callbacks: Callbacks
    source: random.Random
    written: Written


class ListenerDelivery:
    """A loop that each process of a region may run. A listener belongs to its claimant for a turn.

    After a death between the delivery of an event and its record, the event is delivered again under the same id.
    """

    def __init__(self, ports: DeliveryPorts) -> None:
        self.deliveries = Deliveries("listeners")
        self._ports = ports
        self._wait = FullJitter(ports.source, longest=LONGEST_REST)
        self._turns: dict[asyncio.Task[None], ListenerRow] = {}
        self._has_listeners = True
        queue = Queue(ABOUT, ListenerChanged, self._next_due, self._claim)
        self._outgoing = Outgoing(ports.store, ports.clock, queue, self._begin)

    async def run(self) -> None:
        """Runs until cancelled."""
        await self._ports.context.border.clock.settled()
        region = Identity(self._ports.federation, Role.ROLE_REGION, self._ports.context.region, "")
        with self._ports.changes.watch(region) as changed:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._outgoing.run())
                    group.create_task(self._follow(changed))
            finally:
                await stop_tasks(list(self._turns))

    async def _follow(self, changed: asyncio.Event) -> None:
        """Wakes the loop after each change of a record, unless nobody listens."""
        while True:
            await changed.wait()
            changed.clear()
            if self._has_listeners:
                self._outgoing.wake()

    def _next_due(self, tx: Transaction) -> datetime | None:
        self._has_listeners = rows.is_any(tx)
        return rows.next_due(tx, last_change, self._running()) if len(self._turns) < _TOLD_AT_ONCE else None

    def _claim(self, tx: Transaction, now: datetime) -> Sequence[ListenerRow]:
        for unused in rows.remove_unused(tx, now):
            _log.warning("the stopped listener %s of %s is removed", unused.listener.id, unused.operator)
        room = _TOLD_AT_ONCE - len(self._turns)
        return rows.claim(tx, last_change, self._running(), now, room, now + _CLAIM)

    async def _begin(self, row: ListenerRow) -> bool:
        """Begins the turn of a listener, for which no other one waits."""
        turn = asyncio.get_running_loop().create_task(self._turn(row))
        self._turns[turn] = row
        turn.add_done_callback(self._ended)
        return True

    def _ended(self, turn: asyncio.Task[None]) -> None:
        del self._turns[turn]
        self._outgoing.wake()

    def _running(self) -> rows.Told:
        told = list(self._turns.values())  # in one step: the store asks in a thread of its own
        return {row.listener.id: row.operator for row in told}

    async def _turn(self, row: ListenerRow) -> None:
        told = _Told(row)
        try:
            await self._tell(told)
        except Unreachable as failure:
            await self._has_failed(told.row, str(failure))
        except Refused as refused:
            if refused.reason == Reason.REASON_CERTIFICATE_REVOKED:
                await self._has_failed(told.row, reason_name(refused.reason), is_last=True)
            elif is_temporary(refused.reason):  # the claim ends by itself
                _log.warning("the listener %s is told later: %s", row.listener.id, refused)
            else:
                await self._has_failed(told.row, reason_name(refused.reason))
        except Exception as error:  # noqa: BLE001 - a defect in one event stops no other listener
            await self._has_failed(told.row, reason_name(incident(f"listener {row.listener.id}", error).reason))

    async def _tell(self, told: "_Told") -> None:
        """Tells a page of changes, as long as the turn lasts. Raises Unreachable or Refused at the first failure."""
        ports, listener = self._ports, told.row.listener
        resource, region = resource_of(listener.resource), ports.context.region
        reader = Identity(ports.federation, Role.ROLE_OPERATOR, region, told.row.operator)
        for service in resource.services:
            ports.context.scopes.require_service(reader.name, service)
        self._require_not_revoked(told.row)
        changes, last = await ports.store.read(
            lambda tx: (resource.after(tx, told.row.position, reader), resource.last(tx))
        )
        found = [(each.sequence, event_for(listener, each, region, resource.name)) for each in changes]
        events = [(sequence, event) for sequence, event in found if event is not None]
        if not events or await self._tell_events(told, events):
            told.row = told.row.told(found[-1][0] if found else last)  # no event is left where numbers were left out
        due = ports.clock.now() + _PAUSE
        await self._outgoing.keep(lambda tx: rows.release(tx, told.row, due))

    def _require_not_revoked(self, row: ListenerRow) -> None:
        """Raises Refused with CERTIFICATE_REVOKED for a listener that a thief may have registered."""
        if self._ports.context.border.keys.revocations.names_any(row.certificates):
            raise Refused(Reason.REASON_CERTIFICATE_REVOKED)

    async def _tell_events(self, told: "_Told", events: Sequence[tuple[int, ResourceEvent]]) -> bool:
        """Posts events with the numbers of their changes.

        Returns False where the turn ends before them, or the listener is removed meanwhile.
        """
        ports, url, operator = self._ports, callback_of(told.row.listener.callback), told.row.operator
        await ports.callbacks.require_callable(url, operator)
        ends = time.monotonic() + _TURN_SECONDS
        async with ports.callbacks.connected(operator) as connection:
            for sequence, event in events:
                if time.monotonic() > ends:
                    return False
                await self._post(connection, url, told.row, event)
                failpoints.reach("listener-told.before-commit")
                told.row = told.row.told(sequence)
                if not await ports.store.write(partial(rows.note_told, row=told.row)):
                    return False
        return True

    async def _post(self, connection: Connection, url: SplitResult, row: ListenerRow, event: ResourceEvent) -> None:
        ports = self._ports
        try:
            content_type, body = ports.written(event, row.listener.format)
        except Exception as error:  # noqa: BLE001 - a defect in one event keeps no later event back
            incident(f"event {event.id}, which is left out for listener {row.listener.id}", error)
            return
        created, signer = int(ports.clock.now().timestamp()), ports.context.border.signer
        headers = signed_headers(url, content_type, body, created, signer.public_key, signer.sign_http)
        with self.deliveries.delivery():
            await connection.post(url, headers, body)

    async def _has_failed(self, row: ListenerRow, problem: str, *, is_last: bool = False) -> None:
        now = self._ports.clock.now()
        due = None if is_last else now + timedelta(seconds=self._wait.seconds(row.attempts + 1))
        listener = row.listener
        if not listener.HasField("failure_time"):
            _log.warning("the listener %s of %s has not taken an event: %s", listener.id, row.operator, problem)

        def note(tx: Transaction) -> None:
            if rows.note_failure(tx, row, problem, now, due):
                _log.error("the listener %s of %s is stopped: %s", listener.id, row.operator, problem)

        await self._outgoing.keep(note)


@dataclass
class _Told:
    """How far a turn has come."""

    row: ListenerRow
