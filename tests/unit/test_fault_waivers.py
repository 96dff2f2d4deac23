"""The rent that a home region says it has given back for the outages of a fault."""

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1.fault_envelopes_pb2 import FaultWaived
from gateway.api.region.v1.fault_pb2 import Fault, FaultOutage
from region_node.network.faults.waiver import take_over


def told(seconds: int) -> FaultWaived:
    found = FaultWaived()
    found.waived.add(outage=0).waiver.time.CopyFrom(Timestamp(seconds=seconds))
    return found


def test_a_waiver_at_a_time_that_no_page_can_show_is_not_taken_over() -> None:
    fault = Fault(outages=[FaultOutage()])
    assert not take_over(fault, told(10**15))
    assert not fault.outages[0].HasField("waiver")
    assert take_over(fault, told(1_790_000_000))
    assert fault.outages[0].waiver.time.seconds == 1_790_000_000
