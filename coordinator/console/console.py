"""The pages of a coordinator's console, each with the RPCs of which it is made."""

from collections.abc import Sequence
from pathlib import Path

from coordinator.console import (
    board,
    body,
    complaint,
    complaint_report,
    complaints,
    configuration,
    issues,
    joint_orders,
    membership,
    network,
    order,
    orders,
    paths,
    problem,
    problems,
    proposal,
    quality,
    reconciliation,
    region,
    revisions,
    risks,
    rpcs,
    settlement,
)
from gateway.api.coordinator.v1.administration_pb2 import GetTermsRequest
from gateway.api.federation.v1.terms_pb2 import Terms
from gateway.api.types.v1.access_pb2 import Role
from gateway.time.clock import SteadyClock
from gateway.web.console.pages import Calling, Tab, WebConsole
from gateway.wording.languages import translated

ROOT = "/console"
_PACKAGE = Path(__file__).parents[1]


def console(clock: SteadyClock) -> WebConsole:
    """The console of a coordinator. `clock` is that of the coordinator."""
    return WebConsole(
        root=ROOT,
        roles=frozenset({Role.ROLE_ADMIN}),
        brand=_brand,
        region="",
        now=clock.now,
        steady=clock.steady,
        texts=_PACKAGE / "texts",
        templates=Path(__file__).parent / "templates",
        tabs=(
            Tab(board.PATH, lambda: translated("Board")),
            Tab(orders.PATH, lambda: translated("Orders"), _orders()),
            Tab(complaints.PATH, lambda: translated("Complaints"), _complaints()),
            Tab(network.PATH, lambda: translated("Network"), _network()),
            Tab(issues.PATH, lambda: translated("Joint work"), _joint_work()),
            Tab(configuration.PATH, lambda: translated("Configuration"), _configuration()),
        ),
        views=(
            board.VIEW,
            membership.VIEW,
            region.VIEW,
            orders.VIEW,
            order.VIEW,
            joint_orders.VIEW,
            complaints.VIEW,
            complaint_report.VIEW,
            complaint.VIEW,
            network.VIEW,
            paths.VIEW,
            problems.VIEW,
            problem.VIEW,
            issues.VIEW,
            risks.VIEW,
            body.VIEW,
            quality.VIEW,
            reconciliation.VIEW,
            settlement.VIEW,
            configuration.VIEW,
            revisions.VIEW,
            proposal.VIEW,
        ),
        terms_rpc=rpcs.GET_TERMS,
        terms=_terms,
    )


def _orders() -> Sequence[Tab]:
    return (
        Tab(orders.PATH, lambda: translated("Orders")),
        Tab(joint_orders.PATH, lambda: translated("Joint orders")),
    )


def _complaints() -> Sequence[Tab]:
    return (
        Tab(complaints.PATH, lambda: translated("Complaints")),
        Tab(complaint_report.PATH, lambda: translated("Report")),
    )


def _network() -> Sequence[Tab]:
    return (
        Tab(network.PATH, lambda: translated("Paths")),
        Tab(problems.PATH, lambda: translated("Problems")),
    )


def _joint_work() -> Sequence[Tab]:
    """What regions do together."""
    return (
        Tab(issues.PATH, lambda: translated("Issues")),
        Tab(risks.PATH, lambda: translated("Risks")),
        Tab(body.PATH, lambda: translated("Body")),
        Tab(quality.PATH, lambda: translated("Quality")),
        Tab(reconciliation.PATH, lambda: translated("Reconciliation")),
        Tab(settlement.PATH, lambda: translated("Settlement")),
    )


def _configuration() -> Sequence[Tab]:
    return (
        Tab(configuration.PATH, lambda: translated("Configuration")),
        Tab(revisions.PATH, lambda: translated("Revisions")),
        Tab(proposal.PATH, lambda: translated("Proposal")),
    )


def _brand() -> str:
    return f"crossregion · {translated('federation')}"


async def _terms(calling: Calling) -> Terms:
    return (await calling.ask(rpcs.GET_TERMS, GetTermsRequest())).terms
