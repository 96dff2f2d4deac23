"""The operator systems and the staff: they give up, repeat with the same id, and remember the responses."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from gateway.api.region.v1.order_envelopes_pb2 import OrderCommand
from gateway.api.region.v1.order_pb2 import Order, OrderRequest, OrderState, Party
from gateway.api.region.v1.order_service_pb2 import ReviewDecision, ReviewOrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Document
from gateway.errors import Refused, is_temporary, reason_name
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp
from region_node.business.orders import handling
from region_node.business.orders.rows import OrderFilter, list_orders
from region_node.requests.caller import Caller
from tests.simulation import world
from tests.simulation.history import History
from tests.simulation.plans import Errand, documents
from tests.simulation.region import NoAnswer, Node, Region
from tests.simulation.status import FINAL, Observer

T = TypeVar("T")
Work = Callable[[Node], Awaitable[T]]
Prove = Callable[[], Awaitable[Sequence[Document]]]
"""How a customer proves to the home region who is there: documents, or none."""

_SLOWEST_LOOK = 6.0  # seconds between looks at an order
_PATIENCE = 900.0  # seconds until a region that gives no final answer is a defect
MOST_TRIES = 4  # that anybody makes to confirm or supplement the same version of an order
SUPPLEMENTED = ("REFUND_ACC",)
PUT_OFF = timedelta(days=30)  # longer than any installation may take


@dataclass
class Manners:
    """How unreliable callers and their network are; probabilities per call."""

    lose_call: float = 0.0
    lose_answer: float = 0.0
    impatience: float = 0.0


@dataclass
class Line:
    """How a caller reaches a region's node."""

    region: Region
    history: History
    source: random.Random
    manners: Manners
    share: str = "staff"
    """As which operator, or as staff, it takes turns at a door."""

    async def ask(self, work: Work[T]) -> T:
        """Makes one call. Raises NoAnswer, or the exceptions of the call."""
        if self.source.random() < self.manners.lose_call:
            self.history.count("calls lost")
            raise NoAnswer
        impatient = self.source.random() < self.manners.impatience
        if impatient:
            self.history.count("callers who gave up")
        lost = self.source.random() < self.manners.lose_answer
        patience = self.source.uniform(0.0, 0.02) if impatient else 10.0
        answer = await self.region.drawn(self.source).call(work, patience, self.share)
        if lost:
            self.history.count("answers to callers lost")
            raise NoAnswer
        return answer

    async def insist(self, work: Work[T]) -> T:
        """Asks again until there is an answer that is not temporary. Raises AssertionError where none comes."""
        wait, loop = 0.05, asyncio.get_running_loop()
        until = loop.time() + _PATIENCE
        while True:
            try:
                return await self.ask(work)
            except NoAnswer as none:
                last: Exception = none
            except Refused as refused:
                if not is_temporary(refused.reason):
                    raise
                last = refused
            if loop.time() > until:
                raise AssertionError(f"{self.region.name} gives no answer for {_PATIENCE:.0f} s: {last!r}")
            await asyncio.sleep(self.source.uniform(wait / 2, wait))
            wait = min(wait * 2, 4.0)


class OperatorSystem:
    """Runs one errand from its first send to the end of its order."""

    def __init__(self, errand: Errand, line: Line, observer: Observer, prove: Prove) -> None:
        self._errand = errand
        self._line = line
        self._source = line.source
        self._history = line.history
        self._observer = observer
        self._prove = prove
        self._identity = world.operator(errand.region, errand.operator)
        self._asked = 0
        self._tried = 0
        self._tries = 0
        self._finds_fault = errand.finds_fault

    async def run(self) -> None:
        """Submits, follows, and does what the order waits for."""
        errand = self._errand
        await asyncio.sleep(errand.begins)
        verified = await self._prove()
        request = errand.fill_in(self._line.region.ports.clock.of_people(), verified)
        wait = self._source.choice((0.0, 0.0, 0.5, 5.0))
        caller = self._caller(errand.request_id)
        try:
            order = await self._line.insist(lambda node: node.core.application.submit(caller, request, wait))
        except Refused as refused:
            errand.refused = refused.reason
            self._note(f"is refused: {reason_name(refused.reason)}")
            return
        errand.accepted = True
        self._see(order, "is taken in")
        if errand.resends:
            await self._send_again(request)
        await self._follow()

    async def _follow(self) -> None:
        errand, taken_in, look = self._errand, asyncio.get_running_loop().time(), 0.5
        order = errand.seen[-1]
        expedites = errand.expedites
        while order.state not in FINAL:
            if errand.cancels_after is not None and not errand.cancel_asked:
                left = taken_in + errand.cancels_after - asyncio.get_running_loop().time()
                if left <= look:
                    await asyncio.sleep(max(left, 0.0))
                    await self._cancel()
            elif expedites and self._source.random() < 0.5:
                expedites = False
                await self._command(OrderCommand(expedite=OrderCommand.ExpediteRequest()))
            else:
                await self._answer(order)
            await asyncio.sleep(self._source.uniform(look / 2, look))
            look = min(look * 1.5, _SLOWEST_LOOK)
            order = await self._look()
        if errand.cancels_after is not None and not errand.cancel_asked:
            await self._cancel()

    async def _look(self) -> Order:
        errand, identity = self._errand, self._identity
        order = await self._line.insist(
            lambda node: node.store.read(lambda tx: handling.find_for(tx, errand.order_id, identity))
        )
        self._see(order, "is seen")
        return order

    async def _answer(self, order: Order) -> None:
        """Does what the order waits for, if it is the operator's turn and the customer cares."""
        awaited = order.awaiting
        if not self._errand.answers or order.state != OrderState.ORDER_STATE_PENDING:
            return
        self._tries = self._tries + 1 if order.version == self._tried else 1
        self._tried = order.version
        if self._tries > MOST_TRIES:
            return
        if awaited.party == Party.PARTY_CUSTOMER and awaited.action == "accept":
            agreed, self._finds_fault = not self._finds_fault, False
            if not agreed:
                self._history.count("faults found by customers")
            await self._command(OrderCommand(confirm=OrderCommand.Confirm(agreed=agreed)))
        elif awaited.party == Party.PARTY_CUSTOMER:
            await self._command(OrderCommand(confirm=OrderCommand.Confirm(agreed=self._errand.agrees)))
        elif awaited.party == Party.PARTY_ORIGIN_REGION:
            now = self._line.region.ports.clock.of_people()
            brought = documents(SUPPLEMENTED if self._source.random() < 0.8 else ("ID_ORIG",), now, self._errand.person)
            await self._command(OrderCommand(supplement=OrderCommand.Supplement(documents=brought)))

    async def _cancel(self) -> None:
        self._errand.cancel_asked = True
        self._history.count("cancellations asked")
        await self._command(OrderCommand(cancel=OrderCommand.Cancel(reason="changed my mind")))

    async def _command(self, asked: OrderCommand) -> None:
        errand = self._errand
        self._asked += 1
        request_id = f"{errand.request_id}c{self._asked}"
        asked.order_id = errand.order_id
        asked.requester.CopyFrom(errand.fill_in(self._line.region.ports.clock.of_people()).requester)
        caller, wait = self._caller(request_id), self._source.choice((0.0, 0.5, 4.0))
        name = asked.WhichOneof("command") or ""
        self._note(f"{name} is asked as {request_id}")
        again = self._source.random() < 0.3
        for _ in range(2 if again else 1):
            try:
                order = await self._line.insist(lambda node: node.core.application.command(caller, asked, wait))
            except Refused as refused:
                self._note(f"{name} is refused: {reason_name(refused.reason)}")
                self._require_same(request_id, refused.reason)
                errand.commands[request_id] = refused.reason
            else:
                self._require_same(request_id, None)
                errand.commands[request_id] = None
                self._see(order, f"{name} is answered")

    def _require_same(self, request_id: str, reason: Reason.ValueType | None) -> None:
        """An accepted request is never refused as another one."""
        if reason == Reason.REASON_REQUEST_ID_REUSED:
            self._history.broken("same answer", self._errand.order_id, f"{request_id} is called another request")

    async def _send_again(self, request: OrderRequest) -> None:
        """The same request gets the same order; the same id with other content gets none."""
        errand, caller = self._errand, self._caller(self._errand.request_id)
        self._history.count("requests sent again")
        try:
            order = await self._line.insist(lambda node: node.core.application.submit(caller, request, 0.0))
            self._see(order, "is sent again")
            if order.id != errand.order_id:
                self._history.broken("same answer", errand.order_id, f"a resend gave {order.id}")
        except Refused as refused:
            self._history.broken("same answer", errand.order_id, f"a resend was refused: {refused}")
        other = OrderRequest()
        other.CopyFrom(request)
        other.requester.staff_id = "another"
        self._history.count("ids used again")
        try:
            await self._line.insist(lambda node: node.core.application.submit(caller, other, 0.0))
        except Refused as refused:
            if refused.reason == Reason.REASON_REQUEST_ID_REUSED:
                return
        self._history.broken("same answer", errand.order_id, "the id with other content was not refused")

    def _see(self, order: Order, what: str) -> None:
        self._observer.see(order)
        known = self._errand.seen[-1] if self._errand.seen else None
        self._errand.seen.append(order)
        if known is not None and (known.version, known.state) == (order.version, order.state):
            return
        self._note(f"{what}: {OrderState.Name(order.state)[12:]} v{order.version} {order.awaiting.action}".rstrip())

    def _note(self, what: str) -> None:
        self._history.note(f"{self._errand.region}/{self._errand.operator}", what, self._errand.order_id)

    def _caller(self, request_id: str) -> Caller:
        return Caller(self._identity, request_id, f"trace-of-{self._errand.order_id}")


class Staff:
    """Reviews what waits for the staff of one region."""

    def __init__(self, line: Line, observer: Observer) -> None:
        self._line = line
        self._source = line.source
        self._observer = observer
        self._asked = 0

    async def run(self) -> None:
        """Works for ever."""
        region = self._line.region.name
        wanted = OrderFilter(region=region, awaiting=Party.PARTY_HOME_STAFF)

        def waiting(tx: Transaction) -> list[Order]:
            return list_orders(tx, wanted, None, 50).items

        while True:
            await asyncio.sleep(self._source.uniform(1.0, 4.0))
            for order in await self._line.insist(lambda node: node.store.read(waiting)):
                if not self._puts_off(order):
                    await self._review(order)

    def _puts_off(self, order: Order) -> bool:
        """Half of the broadband accesses are reviewed when they are late already, and their customers compensated."""
        if not order.request.business.startswith("BB_") or order.awaiting.action != "review":
            return False
        age = self._line.region.ports.clock.of_people() - from_timestamp(order.create_time)
        return sum(order.id.encode()) % 2 == 0 and age < PUT_OFF

    async def _review(self, order: Order) -> None:
        self._asked += 1
        reviewer = world.staff(self._line.region.name, f"reviewer-{self._source.randint(1, 2)}")
        request = self._decide(order, f"v{self._asked}")
        name = ReviewDecision.Name(request.decision)[16:]
        for _ in range(2 if self._source.random() < 0.3 else 1):
            self._line.history.count("reviews")
            try:
                seen = await self._line.insist(lambda node: node.core.application.review(reviewer, request))
            except Refused as refused:
                self._note(order, f"review {name} is refused: {reason_name(refused.reason)}")
            else:
                self._observer.see(seen)
                self._note(order, f"is reviewed: {name}")

    def _decide(self, order: Order, request_id: str) -> ReviewOrderRequest:
        chance, action = self._source.random(), order.awaiting.action
        request = ReviewOrderRequest(request_id=request_id, order_id=order.id, note="looked at")
        if action in ("adjust", "undo"):  # what was done is put right, and what cannot stay is asked to be undone again
            request.decision = ReviewDecision.REVIEW_DECISION_APPROVE
        elif chance < 0.25 and not order.notes and action == "review":
            request.decision = ReviewDecision.REVIEW_DECISION_RETURN
            request.documents.extend(SUPPLEMENTED)
        elif chance < 0.85:
            request.decision = ReviewDecision.REVIEW_DECISION_APPROVE
        else:
            request.decision = ReviewDecision.REVIEW_DECISION_REJECT
        return request

    def _note(self, order: Order, what: str) -> None:
        self._line.history.note(f"{self._line.region.name}/staff", what, order.id)
