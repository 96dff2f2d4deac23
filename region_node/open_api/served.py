"""The Open APIs that a node serves."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from gateway.api.region.v1.listener_service_pb2 import EventFormat, ListenerResource
from region_node.listeners.delivery import Written
from region_node.listeners.events import ResourceEvent
from region_node.node.settings import RegionSettings

if TYPE_CHECKING:
    from gateway.web.routes import Api
    from region_node.open_api.events import EventSource


def open_apis(settings: RegionSettings) -> "Sequence[Api]":
    """The APIs that the settings open, and those that answer what serves in their place: none unless they say so."""
    return [*served_apis(), *left_out_apis()] if settings.web is not None and settings.web.open_apis else ()


def event_writer(region: str) -> Written:
    """Writes the events of all APIs. `region` is the URI of the region."""

    def write(event: ResourceEvent, form: EventFormat.ValueType) -> tuple[str, bytes]:
        from region_node.open_api.events import written  # noqa: PLC0415

        return written(_sources()[event.resource], event, form, region)

    return write


@cache
def _sources() -> "Mapping[ListenerResource.ValueType, EventSource]":
    from region_node.open_api.alarm_management import ALARM_EVENTS  # noqa: PLC0415
    from region_node.open_api.bill_management import BILL_EVENTS  # noqa: PLC0415
    from region_node.open_api.customer_management import CUSTOMER_EVENTS, CUSTOMER_EVENTS_V5  # noqa: PLC0415
    from region_node.open_api.problem_management import PROBLEM_EVENTS  # noqa: PLC0415
    from region_node.open_api.product_catalog import OFFERING_EVENTS  # noqa: PLC0415
    from region_node.open_api.product_ordering import ORDER_EVENTS, ORDER_EVENTS_V5  # noqa: PLC0415
    from region_node.open_api.trouble_ticketing import TICKET_EVENTS, TICKET_EVENTS_V5  # noqa: PLC0415

    of_records = (ORDER_EVENTS, ORDER_EVENTS_V5, TICKET_EVENTS, TICKET_EVENTS_V5, ALARM_EVENTS, PROBLEM_EVENTS)
    sources = (*of_records, CUSTOMER_EVENTS, CUSTOMER_EVENTS_V5, OFFERING_EVENTS, BILL_EVENTS)
    return {each.resource: each for each in sources}


def served_apis() -> "Sequence[Api]":
    """All APIs."""
    # They need an HTTP server, a large import that other nodes do without.
    from gateway.web.openapi_pages import described  # noqa: PLC0415
    from region_node.open_api.alarm_management import ALARM_MANAGEMENT  # noqa: PLC0415
    from region_node.open_api.bill_management import BILL_MANAGEMENT  # noqa: PLC0415
    from region_node.open_api.customer_management import CUSTOMER_MANAGEMENT, CUSTOMER_MANAGEMENT_V5  # noqa: PLC0415
    from region_node.open_api.problem_management import PROBLEM_MANAGEMENT  # noqa: PLC0415
    from region_node.open_api.product_catalog import PRODUCT_CATALOG  # noqa: PLC0415
    from region_node.open_api.product_ordering import PRODUCT_ORDERING, PRODUCT_ORDERING_V5  # noqa: PLC0415
    from region_node.open_api.trouble_ticketing import TROUBLE_TICKETS, TROUBLE_TICKETS_V5  # noqa: PLC0415

    served = (
        PRODUCT_ORDERING,
        PRODUCT_ORDERING_V5,
        TROUBLE_TICKETS,
        TROUBLE_TICKETS_V5,
        CUSTOMER_MANAGEMENT,
        CUSTOMER_MANAGEMENT_V5,
        PROBLEM_MANAGEMENT,
        ALARM_MANAGEMENT,
        PRODUCT_CATALOG,
        BILL_MANAGEMENT,
    )
    return [described(each) for each in served]


def left_out_apis() -> "Sequence[Api]":
    """The versions of TM Forum's APIs that the node does not serve, while it serves version 4 of them."""
    from gateway.web.routes import Api  # noqa: PLC0415
    from region_node.open_api.left_out import of_version  # noqa: PLC0415

    catalog, bills = "/tmf-api/productCatalogManagement", "/tmf-api/customerBillManagement"
    problems = "/tmf-api/serviceProblemManagement"
    jobs, offered = ("importJob", "exportJob"), ("productOffering", "productOfferingPrice", "productSpecification")
    acknowledged = ("problemAcknowledgement", "problemUnacknowledgement")
    resources = {
        catalog: ("category", "productCatalog", *offered, *jobs),
        problems: ("serviceProblem", "serviceProblemEventRecord", *acknowledged, "problemGroup", "problemUngroup"),
        bills: ("customerBill", "customerBillOnDemand", "appliedCustomerBillingRate", "billCycle"),
    }
    return [
        Api(f"{root}/v5", (), 0, left_out=of_version(f"{root}/v4", "hub", "listener", *names))
        for root, names in resources.items()
    ]
