"""People who order what several regions do together, and the staff of those regions: some late, some refusing."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.api.region.v1.joint_order_pb2 import JointItem, JointOrder, JointPlace
from gateway.api.region.v1.joint_order_service_pb2 import CancelJointOrderRequest, WorkOnJointOrderRequest
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Requester
from gateway.errors import Refused, reason_name
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.business.joint import rules, saga
from region_node.business.joint.items import RESERVATION_TIMER
from region_node.business.joint.rows import JointOrderFilter, item_key, list_joint_orders, own_items
from region_node.requests.caller import Caller
from tests.simulation import world
from tests.simulation.people import Line
from tests.simulation.plans import OPERATORS, documents

FIRST_SEED, LAST_SEED = 10_000, 19_999
"""Joint orders are in the runs of these seeds, so that the others stay what they were."""
ENDS = "nothing stays reserved"
SAME = "same answer"
ENDING = ("TRANSFER",)
"""The businesses with an item that ends the line. Nobody here has broadband to move."""
_ORDERS = 8  # of one run
_MOST = 1000
_PAPERS = {
    "LEASED_CHANGE": (("CONTRACT", "SEAL_LETTER"), {"bandwidth": "1 Gbit/s"}),
    "TRANSFER": (("BIZ_LIC", "SEAL_LETTER", "NEW_OWNER_ID", "TRANSFER_AGR"), {"new_owner": "Li Si"}),
    "GROUP_ONESTOP": (("BIZ_LIC", "SEAL_LETTER", "HANDLER_ID"), {"service": "cards"}),
}


@dataclass
class JointErrand:
    """A joint order as its operator wants it, and the operator's responses about it."""

    region: str
    operator: str
    request_id: str
    business: str
    number: str
    places: Sequence[str]
    """The region of each place."""
    begins: float  # virtual seconds
    cancels_after: float | None  # seconds after it was taken in
    resends: bool
    order_id: str = ""
    refused: Reason.ValueType | None = None

    @property
    def trace(self) -> str:
        """The trace to which all that is sent about it belongs."""
        return f"trace-of-{self.region}/{self.operator}/{self.request_id}"


def draw_joint_errands(source: random.Random, seed: int, seconds: float) -> list[JointErrand]:
    """The joint orders of a run, spread over a time."""
    return [_draw(source, index, seconds) for index in range(_ORDERS if FIRST_SEED <= seed <= LAST_SEED else 0)]


def _draw(source: random.Random, index: int, seconds: float) -> JointErrand:
    cancels, known = (None, None, None, 0.5, 4.0, 12.0), world.subscribers()
    numbers = [each.number for each in known]
    business, places = source.choice(sorted(_PAPERS)), source.sample(world.REGIONS, 2)
    at_home = [each.number for each in known if each.region == places[0] and "network" not in each.traits]
    return JointErrand(
        region=source.choice(world.REGIONS),
        operator=source.choice(OPERATORS),
        request_id=f"joint-{index}",
        business=business,
        number=source.choice(at_home) if business in ENDING else source.choice(("", source.choice(numbers))),
        places=places,
        begins=source.uniform(0.0, seconds),
        cancels_after=source.choice(cancels),
        resends=source.random() < 0.3,
    )


class JointCustomer:
    """Submits one joint order, some twice, and cancels some."""

    def __init__(self, errand: JointErrand, line: Line) -> None:
        self._errand = errand
        self._line = line
        self._identity = world.operator(errand.region, errand.operator)

    async def run(self) -> None:
        """Orders."""
        errand = self._errand
        await asyncio.sleep(errand.begins)
        papers, values = _PAPERS[errand.business]
        requester = Requester(staff_id=f"clerk-{errand.operator}", channel=Channel.CHANNEL_COUNTER)
        request = OrderRequest(
            business=errand.business,
            number=errand.number,
            applicant=Applicant.APPLICANT_ENTERPRISE,
            documents=documents(papers, self._line.region.ports.clock.of_people(), ""),
            characteristics=values,
            requester=requester,
        )
        places = [JointPlace(region=each, address="1 Main Street") for each in errand.places]
        caller = Caller(self._identity, errand.request_id, errand.trace)
        for _ in range(2 if errand.resends else 1):
            try:
                order = await self._line.insist(lambda node: node.core.joint.submit(caller, request, places))
            except Refused as refused:
                errand.refused = refused.reason
                self._note(f"is refused: {reason_name(refused.reason)}")
                return
            if errand.order_id not in ("", order.id):
                self._line.history.broken(SAME, order.id, f"the same request had given {errand.order_id}")
            errand.order_id = order.id
            self._note("is taken in")
        if errand.cancels_after is not None:
            await asyncio.sleep(errand.cancels_after)
            await self._cancel(requester)

    async def _cancel(self, requester: Requester) -> None:
        name = f"{self._errand.request_id}-cancel"
        asked = CancelJointOrderRequest(
            request_id=name, joint_order_id=self._errand.order_id, reason="changed plans", requester=requester
        )
        try:
            await self._line.insist(lambda node: node.core.joint.cancel(Caller(self._identity, name, ""), asked))
        except Refused as refused:
            self._note(f"is not cancelled: {reason_name(refused.reason)}")
        else:
            self._note("is cancelled")

    def _note(self, what: str) -> None:
        self._line.history.note(f"{self._errand.region}/{self._errand.operator}", what, self._errand.order_id)


class JointStaff:
    """Look at the items of their region again and again, and do one step of each; some surveys they never make."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._source = line.source
        self._region = line.region.name
        self._identity = world.staff(self._region, "surveyor")
        self._salt = line.source.getrandbits(64)

    async def run(self) -> None:
        """Works for ever."""
        while True:
            await asyncio.sleep(self._source.uniform(3.0, 7.0))
            for order, item in await self._line.insist(lambda node: node.store.read(self._look)):
                await self._work_on(order, item)

    def _look(self, tx: Transaction) -> list[tuple[JointOrder, JointItem]]:
        """The items of this region. A reservation has a timer that ends it at the end that the order names."""
        found = []
        for order in list_joint_orders(tx, JointOrderFilter(), None, _MOST).items:
            for item in own_items(tx, self._region, order):
                found.append((order, item))
                timer_id = f"{RESERVATION_TIMER}/{item_key(order.id, item.id)}"
                due = tx.first(int, "SELECT due_time FROM timers WHERE timer_id = :timer_id", timer_id=timer_id)
                end = to_microseconds(from_timestamp(order.hold_until_time))
                if item.state in rules.RESERVING and due != end:
                    self._line.history.broken(ENDS, order.id, f"no timer of {self._region} ends {item.id}")
        return found

    async def _work_on(self, order: JointOrder, item: JointItem) -> None:
        request = WorkOnJointOrderRequest(joint_order_id=order.id, item_id=item.id)
        chance, milestone = random.Random(f"{self._salt} {order.id} {item.id}").random(), rules.next_milestone(item)
        if item.HasField("verify_until_time"):
            if chance < 0.2:
                return  # the customer is not reached, and the time passes
            request.verify.SetInParent()
        elif item.state == rules.HELD or (item.state == rules.SURVEYING and chance > 0.1):
            request.reserve.SetInParent()
        elif item.state == rules.SURVEYING and chance < 0.05:
            request.refuse = "no duct"
        elif item.state == rules.IN_PROGRESS and milestone is not None:
            request.reach = milestone.kind
        else:
            return
        request.request_id = f"{order.id.rpartition('/')[2]}-{order.leader_region}-{item.id}-{item.version}"
        caller, step = Caller(self._identity, request.request_id, ""), request.WhichOneof("step") or ""
        for _ in range(2 if self._source.random() < 0.3 else 1):
            try:
                await self._line.insist(lambda node: node.core.joint.work(caller, request))
            except Refused as refused:
                self._note(f"{step} of {item.id} is refused: {reason_name(refused.reason)}", order)
            else:
                self._note(f"{step} of {item.id}", order)

    def _note(self, what: str, order: JointOrder) -> None:
        self._line.history.note(f"{self._region}/surveyors", what, order.id)
        self._line.history.count("steps of joint orders")


def led_and_kept(tx: Transaction, region: str) -> list[tuple[JointOrder, Sequence[JointItem]]]:
    """The joint orders that a region has, each with the items of the region as it has them."""
    orders = list_joint_orders(tx, JointOrderFilter(), None, _MOST).items
    return [(order, own_items(tx, region, order)) for order in orders]


def is_decided(order: JointOrder) -> bool:
    """Whether an order was decided for."""
    return any(each.decision == saga.COMMIT for each in order.items)
