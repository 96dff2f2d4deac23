"""Says which network services lines use."""

from gateway.api.region.v1 import followed_problem_service_pb2 as region_api
from gateway.api.region.v1.followed_problem_service_pb2_grpc import FollowedProblemServiceStub as RegionStub
from tests.federation.counter import REQUESTER, Counter
from tests.federation.running import CALL_SECONDS


async def bind(counter: Counter, number: str, service: str = "lines-chengdu-guangzhou") -> int:
    """Says that a line uses a network service; how many bindings are new."""
    stub = RegionStub(counter.federation.dial_node(counter.region, f"region/{counter.region}/operator/counter"))
    request = region_api.BindLinesRequest(
        bindings=[region_api.LineBinding(number=number, service=service)], requester=REQUESTER
    )
    return (await stub.BindLines(request, timeout=CALL_SECONDS)).bound
