"""The application service of orders: the work of the services, without gRPC. The simulation uses it too."""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from gateway.api.region.v1.order_envelopes_pb2 import OrderCommand
from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.region.v1.order_service_pb2 import ReviewOrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Document
from gateway.errors import Refused, is_temporary
from gateway.process import failpoints
from gateway.process.limit import Limit, Shared
from gateway.relay.fair_queue import QueuedEnvelope
from gateway.relay.lanes import Lane, Lanes
from gateway.relay.outbox import Enqueued
from gateway.rpc.admission import current_place, elsewhere
from gateway.security.identity import Identity
from gateway.store.port import CommittedElsewhere, OutcomeLost, Store, Transaction
from gateway.store.reading_ahead import Announced
from gateway.time.clock import Clock
from region_node.business.orders import handling, home, intake, rules
from region_node.business.orders.announced import taking_in
from region_node.business.orders.context import OrderContext
from region_node.business.orders.rows import (
    ORDER,
    ORDERS,
    OrderChanged,
    OrderRow,
    about_order,
    find_order,
    held_orders,
    require_order,
)
from region_node.customers.documents.on_file import RegisterApplication
from region_node.customers.documents.rules import require_materials
from region_node.requests.caller import Caller, caller_name, done_before
from region_node.requests.changes import Changes
from region_node.requests.room import Room
from region_node.requests.rows import RequestKey, insert_request
from region_node.tickets.followed import answered_request

# Callers who wait for the decisions of one region, while it answers: so many that a decision takes about as long.
DECISION_GOAL = 0.5  # seconds
LEAST_WAITING, FIRST_WAITING, MOST_WAITING = 32, 256, 4096  # a distant region takes its time, however few they are
_NO_STORE = (
    Reason.REASON_STORE_UNAVAILABLE,
    Reason.REASON_STORE_UNCONFIRMED,
    Reason.REASON_OUTCOME_UNKNOWN,
    Reason.REASON_DATABASE_BEHIND,
)
_log = logging.getLogger(__name__)


class Decisions:
    """Wakes the callers that wait for a decision on an order, and the watchers of orders."""

    def __init__(self, store: Store, changes: Changes) -> None:
        self._orders: dict[str, set[asyncio.Future[Order | None]]] = {}
        self._changes = changes
        store.subscribe(OrderChanged, self._order_changed)
        store.subscribe(CommittedElsewhere, self._committed_elsewhere)
        store.subscribe(OutcomeLost, lambda _: self._look(list(self._orders)))

    @contextmanager
    def decision_on(self, order_id: str) -> Iterator["asyncio.Future[Order | None]"]:
        """A future of the order after its home region's decision. Entered before the order is stored."""
        future: asyncio.Future[Order | None] = asyncio.get_running_loop().create_future()
        waiting = self._orders.setdefault(order_id, set())
        waiting.add(future)
        try:
            yield future
        finally:
            waiting.discard(future)
            if not waiting:
                self._orders.pop(order_id, None)

    def _order_changed(self, changed: OrderChanged) -> None:
        self._tell_if_decided(changed.order)
        self._changes.wake_watchers()

    def _committed_elsewhere(self, committed: CommittedElsewhere) -> None:
        """Another process may have decided; without subjects, anything may have changed."""
        subjects = committed.subjects
        self._look([each for each in self._orders if not subjects or about_order(each) in subjects])
        if any(subject.startswith(ORDERS) for subject in subjects):
            self._changes.wake_watchers()

    def _look(self, orders: Sequence[str]) -> None:
        if orders:
            self._changes.look(
                lambda tx: [row for each in orders if (row := find_order(tx, each)) is not None], self._found
            )

    def _found(self, rows: Sequence[OrderRow]) -> None:
        for row in rows:
            self._tell_if_decided(row.order)

    def _tell_if_decided(self, order: Order) -> None:
        if is_decided(order):
            for future in self._orders.get(order.id, ()):
                _tell(future, order)


@dataclass(frozen=True)
class OrderApplicationPorts:
    """The ports of the application service."""

    context: OrderContext
    store: Store
    clock: Clock
    lanes: Lanes
    changes: Changes
    room: Room
    decisions: Decisions
    register: RegisterApplication
    """The register of documents on file, for orders that lack some."""


class OrderApplication:
    """Accepts orders and commands, and waits for the home region on request."""

    def __init__(self, ports: OrderApplicationPorts) -> None:
        self._ports = ports
        self._waiting: dict[str, tuple[Shared, Limit]] = {}
        ports.store.subscribe(Enqueued, self._put_in_lane)

    async def check(self, caller: Caller, request: OrderRequest) -> None:
        """Raises Refused where the order would not be accepted; stores and sends nothing."""
        self._ports.context.node.scopes.require_business(caller.operator, request.business)
        rules.require_applicant(request, caller.operator)
        try:
            intake.check(self._ports.context, request, self._ports.clock.now())
        except Refused as refused:
            on_file = await self._on_file(refused, caller, request)
            intake.check(self._ports.context, intake.with_documents(request, on_file), self._ports.clock.now())

    async def submit(self, caller: Caller, request: OrderRequest, wait: float) -> Order:
        """Accepts an order and returns it after the home region's decision or after `wait` seconds."""
        self._ports.context.node.scopes.require_business(caller.operator, request.business)
        self._ports.room.require(caller.operator, number=request.number)
        lane = self._lane_of(request)
        if lane is None or not wait or _is_away(lane) or current_place() is None:  # a stream has a bound of its own
            return await self._decided(caller, request, wait)
        loop, (waiting, limit) = asyncio.get_running_loop(), self._waiting_for(lane.destination)
        if not waiting.has_room(caller.operator, limit.value):
            raise Refused(Reason.REASON_TOO_BUSY)
        began = loop.time()
        waiting.enter(caller.operator)
        try:
            order = await self._decided(caller, request, wait)
            seconds = loop.time() - began
            if not _is_away(lane) and (is_decided(order) or seconds > DECISION_GOAL):
                limit.note(began, seconds, waiting.count, loop.time())
            return order
        finally:
            waiting.leave(caller.operator)

    async def _decided(self, caller: Caller, request: OrderRequest, wait: float) -> Order:
        context, now = self._ports.context, self._ports.clock.now()
        with self._ports.decisions.decision_on(caller.subject(context.node.region)) as decision:
            order = await self._take_in(caller, request, now)
            failpoints.reach("S3.after-commit")
            if not wait or is_decided(order):
                return order
            timer = asyncio.get_running_loop().call_later(wait, _tell, decision, None)
            try:
                with elsewhere():
                    decided = await decision
            finally:
                timer.cancel()
        if decided is not None:
            return decided
        return (await self._ports.store.read(lambda tx: require_order(tx, order.id))).order

    async def _take_in(self, caller: Caller, request: OrderRequest, now: datetime) -> Order:
        """Accepts an order; with too few documents, together with those on file."""
        context, store = self._ports.context, self._ports.store
        try:
            return await store.write(
                Announced(
                    lambda tx: intake.submit(tx, context, caller, request, now),
                    lambda tx: taking_in(tx, context.node, caller, request.number),
                )
            )
        except Refused as refused:
            on_file = await self._on_file(refused, caller, request)
            return await store.write(lambda tx: intake.submit(tx, context, caller, request, now, on_file))

    async def _on_file(self, refused: Refused, caller: Caller, request: OrderRequest) -> Sequence[Document]:
        """The documents on file for a request that was refused since some are missing; else raises the refusal."""
        if refused.reason != Reason.REASON_DOCUMENT_MISSING:
            raise refused
        found = await self._ports.register.for_order(caller.identity.path, request)
        if not found:
            raise refused
        return found

    async def _on_file_for(self, caller: Caller, asked: OrderCommand) -> Sequence[Document]:
        """The documents on file that a review requested and a supplement does not contain."""
        if not asked.HasField("supplement"):
            return ()
        row = await self._ports.store.read(lambda tx: find_order(tx, asked.order_id))
        if row is None:
            return ()
        staff_id, brought = asked.requester.staff_id, asked.supplement.documents
        return await self._ports.register.for_supplement(caller.identity.path, staff_id, row.order, brought)

    async def command(self, caller: Caller, asked: OrderCommand, wait: float) -> Order:
        """Sends a command about an order; raises Refused where the home region has refused it."""
        on_file = await self._on_file_for(caller, asked)
        context = self._ports.context
        now = self._ports.clock.now()
        queued = await self._take_back(asked.order_id) if asked.HasField("cancel") else None
        writing = self._ports.store.write(
            lambda tx: handling.command(tx, context, caller, asked, queued is not None, now, on_file)
        )
        deciding = writing if queued is None else self._decided_on(queued, writing)
        order = await self._ports.changes.answered(caller, deciding, wait)
        return await self._ports.store.read(lambda tx: answered_request(ORDER, tx, caller, order))

    async def review(self, reviewer: Identity, request: ReviewOrderRequest) -> Order:
        """A member of the home region's staff decides."""
        context = self._ports.context
        now = self._ports.clock.now()
        order = await self._ports.store.write(lambda tx: _review(tx, context, reviewer, request, now))
        failpoints.reach("order-reviewed.after-commit")
        return order

    async def release_held(self) -> None:
        """Sends the held orders home that can go home now.

        An order stays held while the catalogue in force does not fit it, until its time has passed. Raises Refused for
        an order that can go home later, once all others were looked at, and at once without a store.
        """
        now, later = self._ports.clock.now(), None
        for held in await self._ports.store.read(held_orders):
            try:
                await self._ports.store.write(partial(self._release, held=held, now=now))
            except Refused as refused:
                if refused.reason in _NO_STORE:
                    raise
                later = refused if is_temporary(refused.reason) else later
                _log.warning("order %s stays held: %s", held, refused)
        if later is not None:
            raise later

    def _release(self, tx: Transaction, held: str, now: datetime) -> None:
        intake.release(tx, self._ports.context, held, now)

    async def _take_back(self, order_id: str) -> QueuedEnvelope | None:
        """Withdraws an order's submission from its lane, if it has certainly never left."""
        row = await self._ports.store.read(lambda tx: find_order(tx, order_id))
        if row is None or row.order.version > 0 or not row.order.home_region:
            return None
        return self._ports.lanes.to(row.order.home_region).withdraw(intake.submission_id(row.order))

    async def _decided_on(self, queued: QueuedEnvelope, writing: Awaitable[Order]) -> Order:
        """Waits for the decision on a withdrawn queued envelope. A caller that leaves does not end it."""
        cancelling = asyncio.ensure_future(writing)
        cancelling.add_done_callback(partial(self._decide_on, queued))
        return await asyncio.shield(cancelling)

    def _decide_on(self, queued: QueuedEnvelope, cancelling: "asyncio.Future[Order]") -> None:
        """Sends a queued envelope that was taken back after all, unless its order is cancelled, or may be."""
        lane, error = self._ports.lanes.to(queued.sealed.content.destination), cancelling.exception()
        if isinstance(error, Refused) and error.reason == Reason.REASON_OUTCOME_UNKNOWN:
            lane.forget(queued)  # a submission that is still to be sent is in the outbox
        elif error is None and cancelling.result().state == rules.CANCELLED:
            lane.forget(queued)
        else:
            lane.give_back(queued)

    def _put_in_lane(self, enqueued: Enqueued) -> None:
        lane = self._ports.lanes.to(enqueued.sealed.content.destination)
        if enqueued.perhaps_sent:
            lane.add_perhaps_sent(enqueued.sealed, enqueued.not_taken)
        else:
            lane.add(enqueued.sealed)

    def _waiting_for(self, region: str) -> tuple[Shared, Limit]:
        """The callers who wait for the decisions of a region, and how many they may be."""
        known = self._waiting.get(region)
        if known is None:
            limit = Limit(DECISION_GOAL, least=LEAST_WAITING, first=FIRST_WAITING, most=MOST_WAITING)
            known = self._waiting[region] = (Shared(), limit)
        return known

    def _lane_of(self, request: OrderRequest) -> Lane | None:
        """The lane to the owner of an order's number; None for this region, or where the number has no owner."""
        owner = self._ports.context.node.federation.number_plan.home_of(request.number)
        return self._ports.lanes.to(owner) if owner and owner != self._ports.context.node.region else None


def _review(
    tx: Transaction, context: OrderContext, reviewer: Identity, request: ReviewOrderRequest, now: datetime
) -> Order:
    content = request.SerializeToString(deterministic=True)
    key = RequestKey(caller_name(reviewer), request.request_id, hashlib.sha256(content).digest())
    known = done_before(tx, key)
    if known is not None:
        return require_order(tx, known).order
    require_materials(context.node.federation.material_codes, [Document(code=code) for code in request.documents])
    order = home.review(tx, context, request.order_id, reviewer, request.decision, request.documents, request.note, now)
    insert_request(tx, key, order.id, settled=True, now=now)
    return order


def _is_away(lane: Lane) -> bool:
    """Whether the region of a lane does not answer: its orders wait, however many they are."""
    return lane.stopped is not None


def _tell(waiting: "asyncio.Future[Order | None]", decided: Order | None) -> None:
    """Ends a wait: with the order, or with None where the time is over."""
    if not waiting.done():
        waiting.set_result(decided)


def is_decided(order: Order) -> bool:
    """Whether the home region has decided, or the order cannot go there now."""
    return order.version > 0 or rules.is_final(order) or order.state == rules.HELD
