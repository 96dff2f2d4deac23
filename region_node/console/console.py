"""The pages of a region's console, each with the RPCs of which it is made."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from gateway.api.federation.v1.terms_pb2 import Terms
from gateway.api.region.v1.catalogue_service_pb2 import GetTermsRequest
from gateway.api.types.v1.access_pb2 import Role
from gateway.time.clock import SteadyClock
from gateway.web.console.pages import Calling, Tab, WebConsole
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from region_node.console import (
    alarm,
    audit,
    complaint,
    complaints,
    customer,
    fault,
    faults,
    identity_check,
    imports,
    issue,
    issues,
    joint_order,
    joint_orders,
    link,
    network,
    new_complaint,
    new_fault,
    new_joint_order,
    new_order,
    order,
    orders,
    rpcs,
    shared_record,
    support,
    support_request,
    work_list,
)
from region_node.console.papers import Papers
from region_node.console.words import CUSTOMERS, NETWORK

ROOT = "/console"
_PACKAGE = Path(__file__).parents[1]


def console(
    region: str, clock: SteadyClock, may_audit: Callable[[str], bool], document_key: bytes | None = None
) -> WebConsole:
    """The console of a region. `clock` is that of the region.

    `may_audit` says by the name of a member of staff whether they read the audit chain.
    `document_key` is that of the hashes of papers, which all systems of the region share; without it no page takes one.
    """
    papers = Papers(document_key)
    return WebConsole(
        root=ROOT,
        roles=frozenset({Role.ROLE_STAFF}),
        brand=partial(_brand, region),
        region=region,
        now=clock.now,
        steady=clock.steady,
        texts=_PACKAGE / "texts",
        templates=Path(__file__).parent / "templates",
        tabs=(
            Tab(work_list.PATH, lambda: translated("Work list")),
            Tab(orders.PATH, lambda: translated("Orders"), _orders()),
            Tab(complaints.PATH, lambda: translated("Complaints")),
            Tab(CUSTOMERS, lambda: translated("Customer")),
            Tab(faults.PATH, lambda: translated("Faults")),
            Tab(NETWORK, lambda: translated("Network")),
            Tab(support.PATH, lambda: translated("Joint work"), _joint_work()),
            Tab(imports.PATH, lambda: translated("Imports")),
            Tab(audit.PATH, lambda: translated("Audit"), is_for=lambda person: may_audit(person.name)),
        ),
        views=(
            work_list.VIEW,
            orders.VIEW,
            new_order.view(papers),
            order.view(papers),
            joint_orders.VIEW,
            new_joint_order.view(papers),
            joint_order.VIEW,
            complaints.VIEW,
            new_complaint.VIEW,
            complaint.VIEW,
            customer.VIEW,
            identity_check.VIEW,
            shared_record.VIEW,
            faults.VIEW,
            new_fault.VIEW,
            fault.VIEW,
            support.VIEW,
            support_request.VIEW,
            issues.VIEW,
            issue.VIEW,
            network.VIEW,
            link.VIEW,
            alarm.VIEW,
            imports.VIEW,
            audit.VIEW,
        ),
        terms_rpc=rpcs.GET_TERMS,
        terms=_terms,
    )


def _orders() -> Sequence[Tab]:
    return (
        Tab(orders.PATH, lambda: translated("Orders")),
        Tab(joint_orders.PATH, lambda: translated("Joint orders")),
    )


def _joint_work() -> Sequence[Tab]:
    """What regions do together."""
    return (
        Tab(support.PATH, lambda: translated("Support requests")),
        Tab(issues.PATH, lambda: translated("Issues")),
    )


def _brand(region: str) -> str:
    return f"crossregion · {region_name(region)}"


async def _terms(calling: Calling) -> Terms:
    return (await calling.ask(rpcs.GET_TERMS, GetTermsRequest())).terms
