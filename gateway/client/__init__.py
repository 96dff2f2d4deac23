"""The client of a region's node for programs in Python; docs/integrating.md shows its use.

    with Region.from_environment().channel() as channel:
        orders = OrderServiceStub(channel)
        order = orders.SubmitOrder(SubmitOrderRequest(…)).order
        for page in pages(orders.ListOrders, ListOrdersRequest(…)):
            …
        for change in watch(orders.WatchOrders, WatchOrdersRequest(…)):
            …

The stubs are the generated ones of `gateway.api`. `Region.aio_channel`, `aio.pages` and `aio.watch` are the same for
asyncio. A channel gives each call a deadline, repeats the same request, and raises Refused or Unanswered.
"""

from gateway.client import aio as aio
from gateway.client.blocking import pages as pages
from gateway.client.blocking import watch as watch
from gateway.client.failures import Refused as Refused
from gateway.client.failures import Unanswered as Unanswered
from gateway.client.failures import failure_of as failure_of
from gateway.client.region import Region as Region
