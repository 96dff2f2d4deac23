"""The billing run notes for listeners which bills it has written."""

from gateway.api.region.v1.listener_service_pb2 import Listener, ListenerResource
from region_node.listeners import rows as listeners
from tests.unit.billing_scene import books
from tests.unit.test_billing_runs import BEGAN, at, line_of


def test_each_bill_that_a_run_writes_is_noted_once() -> None:
    with books(BEGAN) as found:
        listener = Listener(id="x", resource=ListenerResource.LISTENER_RESOURCE_CUSTOMER_BILL)
        listeners.insert(found.tx, "crm", listener, 0, BEGAN, b"")
        for index in (1, 2):
            found.open(line_of(index))
        for _ in range(2):
            found.run(at(7, 2))
            assert found.rows("SELECT sequence, bill FROM bill_events") == [(1, "a1/2030-06"), (2, "a2/2030-06")]
