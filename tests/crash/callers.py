"""Those who call the regions in the stories of kills."""

from collections.abc import Sequence

from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Requester
from region_node.requests.caller import Caller
from tests.simulation.kills import Calm
from tests.simulation.plans import documents
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
