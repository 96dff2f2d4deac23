"""The lines of a customer who moves in, as listeners hear of them."""

from datetime import timedelta

from gateway.api.region.v1.customer_move_pb2 import CustomerHandOver
from gateway.api.region.v1.listener_service_pb2 import Listener, ListenerResource
from gateway.time.clock import from_microseconds, to_timestamp
from region_node.customers.events import EVENTS
from region_node.customers.rows import CustomerRow
from region_node.customers.taking_over import NewCustomer
from region_node.lifecycle.moving.taking_over import take_over
from region_node.listeners import rows as listeners
from tests.unit.purging import NOW, archive
from tests.unit.situations import LINE

DAY = timedelta(days=1)


def test_listeners_hear_of_a_customer_who_moves_in_by_the_time_of_the_hand_over_here() -> None:
    told = CustomerHandOver()
    told.move.id, told.move.from_region, told.move.to_region = "henan/crm/m1", "henan", "sichuan"
    told.move.create_time.CopyFrom(to_timestamp(NOW - 2 * DAY))
    told.move.change_time.CopyFrom(to_timestamp(NOW - DAY))  # the confirmation by the former home
    told.move.lines.add(number=LINE.number, plan_id=LINE.plan_id)
    told.customers.add().product.id = "theirs"
    with archive() as found:
        listener = Listener(id="x", resource=ListenerResource.LISTENER_RESOURCE_CUSTOMER)
        listeners.insert(found.tx, "crm", listener, 0, NOW, b"")
        new = NewCustomer(CustomerRow(LINE.customer_id, "王芳", ""), LINE, 0)
        take_over(found.tx, found.context, told, [new], NOW)
        (event,) = EVENTS.states_after(found.tx, 0, "", 10)
        assert (event.name, from_microseconds(event.time)) == (LINE.product_id, NOW)
