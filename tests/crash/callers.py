"""Those who call the regions in the stories of kills."""

from collections.abc import Sequence
from functools import partial

from gateway.api.region.v1.complaint_pb2 import (
    ComplaintChannel,
    ComplaintRequest,
    Remedy,
)
from gateway.api.region.v1.order_pb2 import Order, OrderRequest, Party
from gateway.api.region.v1.order_service_pb2 import ReviewDecision, ReviewOrderRequest
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Requester
from gateway.store.port import Transaction
from region_node.business.orders.rows import OrderFilter, list_orders
from region_node.requests.caller import Caller
from tests.simulation.kills import Calm
from tests.simulation.plans import documents
from tests.simulation.region import Node
from tests.simulation.world import PREFIXES, operator, staff

HANDLING, HOME = "guangdong", "sichuan"
CLERK = Requester(staff_id="c-17", channel=Channel.CHANNEL_COUNTER)


def number(index: int) -> str:
    """The number of a customer of the home region."""
    return f"{PREFIXES[HOME]}{index:06}"


def counter(request_id: str) -> Caller:
    """The operator system at the origin region's counter."""
    return Caller(operator(HANDLING, "crm"), request_id, "")


def worker(region: str, request_id: str) -> Caller:
    """A member of a region's staff."""
    return Caller(staff(region, "li"), request_id, "")


def ordered(calm: Calm, business: str, index: int, papers: Sequence[str], **values: str) -> OrderRequest:
    return OrderRequest(
        business=business,
        number=number(index),
        applicant=Applicant.APPLICANT_HOLDER,
        documents=documents(papers, calm.wall.now(), ""),
        characteristics=values,
        requester=CLERK,
    )


def complaint(category: str, index: int, description: str = "charged twice") -> ComplaintRequest:
    return ComplaintRequest(
        category=category,
        number=number(index),
        description=description,
        remedy_sought=Remedy.REMEDY_REFUND,
        channel=ComplaintChannel.COMPLAINT_CHANNEL_HOTLINE,
        requester=CLERK,
    )


async def review_all(calm: Calm, home: str = HOME) -> None:
    """Staff of a home region approve what waits for them."""
    line, waits = calm.line(home), OrderFilter(region=home, awaiting=Party.PARTY_HOME_STAFF)

    def waiting(tx: Transaction) -> list[Order]:
        return list_orders(tx, waits, None, 50).items

    for order in await line.insist(lambda node: node.store.read(waiting)):
        request = ReviewOrderRequest(
            request_id=f"review-{order.id.replace('/', '-')}",
            order_id=order.id,
            decision=ReviewDecision.REVIEW_DECISION_APPROVE,
        )
        await line.insist(partial(reviewed, home=home, request=request))


async def reviewed(node: Node, home: str, request: ReviewOrderRequest) -> Order:
    return await node.core.application.review(staff(home, "qian"), request)
