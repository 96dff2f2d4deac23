"""The permitted callers: the option `allow` of every RPC, checked on real servers for every kind of identity."""

from collections.abc import Iterator
from itertools import pairwise

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from gateway.api.coordinator.v1 import administration_pb2, path_service_pb2
from gateway.api.coordinator.v1 import bulletin_service_pb2 as overseen_bulletins_pb2
from gateway.api.coordinator.v1 import complaint_oversight_service_pb2 as overseen_complaints_pb2
from gateway.api.coordinator.v1 import customer_move_oversight_service_pb2 as overseen_moves_pb2
from gateway.api.coordinator.v1 import enrolment_service_pb2 as enrolments_pb2
from gateway.api.coordinator.v1 import issue_service_pb2 as overseen_issues_pb2
from gateway.api.coordinator.v1 import planned_outage_registry_service_pb2 as held_windows_pb2
from gateway.api.coordinator.v1 import problem_service_pb2 as found_problems_pb2
from gateway.api.coordinator.v1 import quality_oversight_service_pb2 as overseen_quality_pb2
from gateway.api.coordinator.v1 import reconciliation_oversight_service_pb2 as overseen_reconciliation_pb2
from gateway.api.coordinator.v1 import renewal_service_pb2 as renewals_pb2
from gateway.api.coordinator.v1 import resource_service_pb2 as shared_resources_pb2
from gateway.api.coordinator.v1 import revocation_service_pb2 as revocations_pb2
from gateway.api.coordinator.v1 import risk_service_pb2 as risks_pb2
from gateway.api.coordinator.v1 import settlement_oversight_service_pb2 as overseen_settlement_pb2
from gateway.api.federation.v1 import federation_pb2
from gateway.api.region.v1 import (
    agreement_service_pb2,
    alarm_service_pb2,
    approval_service_pb2,
    audit_service_pb2,
    billing_service_pb2,
    bulletin_oversight_service_pb2,
    bulletin_service_pb2,
    catalogue_service_pb2,
    complaint_import_service_pb2,
    complaint_oversight_service_pb2,
    complaint_service_pb2,
    customer_move_oversight_service_pb2,
    customer_move_service_pb2,
    customer_service_pb2,
    document_service_pb2,
    dossier_service_pb2,
    erasure_service_pb2,
    fault_service_pb2,
    followed_problem_service_pb2,
    improvement_service_pb2,
    issue_oversight_service_pb2,
    issue_service_pb2,
    joint_order_service_pb2,
    loan_service_pb2,
    measurement_service_pb2,
    notice_service_pb2,
    order_event_service_pb2,
    order_oversight_service_pb2,
    order_service_pb2,
    planned_outage_service_pb2,
    quality_service_pb2,
    reconciliation_service_pb2,
    resource_oversight_service_pb2,
    retention_service_pb2,
    settlement_service_pb2,
    sharing_service_pb2,
    support_resource_service_pb2,
    support_service_pb2,
    survey_service_pb2,
    verification_service_pb2,
)
from gateway.api.relay.v1 import relay_pb2
from gateway.api.types.v1 import access_pb2
from gateway.api.types.v1.access_pb2 import Role
from gateway.auditing.denial_log import INTERVAL_US
from gateway.security.identity import parse
from tests.federation.certificates import FEDERATION
from tests.federation.chains import read_chain
from tests.federation.counter import Counter
from tests.federation.refusals import Told, read
from tests.federation.running import CALL_SECONDS, Federation

FILES = (
    overseen_settlement_pb2,
    administration_pb2,
    overseen_complaints_pb2,
    found_problems_pb2,
    path_service_pb2,
    alarm_service_pb2,
    held_windows_pb2,
    agreement_service_pb2,
    planned_outage_service_pb2,
    audit_service_pb2,
    billing_service_pb2,
    bulletin_oversight_service_pb2,
    bulletin_service_pb2,
    overseen_bulletins_pb2,
    catalogue_service_pb2,
    complaint_import_service_pb2,
    complaint_oversight_service_pb2,
    complaint_service_pb2,
    customer_move_service_pb2,
    customer_service_pb2,
    approval_service_pb2,
    erasure_service_pb2,
    fault_service_pb2,
    improvement_service_pb2,
    customer_move_oversight_service_pb2,
    issue_oversight_service_pb2,
    issue_service_pb2,
    overseen_issues_pb2,
    resource_oversight_service_pb2,
    shared_resources_pb2,
    joint_order_service_pb2,
    loan_service_pb2,
    measurement_service_pb2,
    document_service_pb2,
    dossier_service_pb2,
    federation_pb2,
    notice_service_pb2,
    order_event_service_pb2,
    order_service_pb2,
    order_oversight_service_pb2,
    followed_problem_service_pb2,
    survey_service_pb2,
    relay_pb2,
    sharing_service_pb2,
    overseen_quality_pb2,
    quality_service_pb2,
    overseen_moves_pb2,
    overseen_reconciliation_pb2,
    enrolments_pb2,
    renewals_pb2,
    revocations_pb2,
    risks_pb2,
    reconciliation_service_pb2,
    settlement_service_pb2,
    retention_service_pb2,
    support_resource_service_pb2,
    support_service_pb2,
    verification_service_pb2,
)
SERVICES: dict[str, ServiceDescriptor] = {
    service.full_name: service for file in FILES for service in file.DESCRIPTOR.services_by_name.values()
}
OF_COORDINATORS = {
    "gateway.api.coordinator.v1.AuditOversightService",
    "gateway.api.coordinator.v1.BulletinService",
    "gateway.api.coordinator.v1.ComplaintOversightService",
    "gateway.api.coordinator.v1.ConfigurationService",
    "gateway.api.coordinator.v1.CustomerMoveOversightService",
    "gateway.api.coordinator.v1.EnrolmentService",
    "gateway.api.coordinator.v1.IssueService",
    "gateway.api.coordinator.v1.MembershipService",
    "gateway.api.coordinator.v1.OrderOversightService",
    "gateway.api.coordinator.v1.ProblemService",
    "gateway.api.coordinator.v1.PathService",
    "gateway.api.coordinator.v1.PlannedOutageRegistryService",
    "gateway.api.coordinator.v1.QualityOversightService",
    "gateway.api.coordinator.v1.ReconciliationOversightService",
    "gateway.api.coordinator.v1.RenewalService",
    "gateway.api.coordinator.v1.ResourceService",
    "gateway.api.coordinator.v1.SettlementOversightService",
    "gateway.api.coordinator.v1.RevocationService",
    "gateway.api.coordinator.v1.RiskService",
    "gateway.api.federation.v1.FederationService",
    "gateway.api.relay.v1.RelayService",
}
# Of no port that asks for a certificate: `tests/contract/test_enrolment.py` has its callers.
OF_JOINERS = {"gateway.api.coordinator.v1.JoiningService"}
OF_NODES = SERVICES.keys() - OF_COORDINATORS - OF_JOINERS | {"gateway.api.relay.v1.RelayService"}
# The one RPC that both serve: each takes it from the other only.
RELAY = {"coordinator": Role.ROLE_REGION, "guangdong": Role.ROLE_COORDINATOR}
PATHS = (
    "region/guangdong",
    "region/henan",
    "region/guangdong/operator/counter",
    "region/henan/operator/counter",
    "region/guangdong/staff/reviewer-1",
    "region/henan/staff/reviewer-1",
    "coordinator/0",
    "admin/root",
)


def methods() -> Iterator[MethodDescriptor]:
    """Every RPC of the contract."""
    for service in SERVICES.values():
        yield from service.methods


def may_call(path: str, server: str, method: MethodDescriptor) -> bool:
    """The permission by the contract: the RPC names the role, and operators and staff belong to the node's region."""
    identity = parse(f"spiffe://{FEDERATION}/{path}", FEDERATION)
    if method.name == "Deliver":
        return identity.role == RELAY[server]
    is_named = identity.role in method.GetOptions().Extensions[access_pb2.allow]
    is_bound = identity.role in (Role.ROLE_OPERATOR, Role.ROLE_STAFF)
    return is_named and (not is_bound or identity.region == server)


async def answer(channel: grpc.aio.Channel, method: MethodDescriptor) -> Told | None:
    """How an empty request is answered; None where it is served."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    try:
        if method.server_streaming:
            # Also a stream of requests: gRPC's client of one may lose why it is refused when its write fails.
            stream: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(path)
            call = stream(b"", timeout=CALL_SECONDS)
            await call.read()
            call.cancel()
        else:
            rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
            await rpc(b"", timeout=CALL_SECONDS)
    except grpc.aio.AioRpcError as error:
        return read(error)
    return None


def test_every_service_of_the_contract_is_in_the_matrix() -> None:
    assert all(list(method.GetOptions().Extensions[access_pb2.allow]) for method in methods())
    assert SERVICES.keys() > OF_COORDINATORS


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("server", ["coordinator", "guangdong"])
@pytest.mark.clause("7.2(1)")
async def test_an_rpc_serves_whom_the_contract_allows_and_nobody_else(
    federation: Federation, server: str, path: str
) -> None:
    is_coordinator = server == "coordinator"
    channel = federation.dial_coordinator(path) if is_coordinator else federation.dial_node(server, path)
    served = OF_COORDINATORS if is_coordinator else OF_NODES
    wrong = []
    for method in methods():
        told = await answer(channel, method)
        found = "SERVED" if told is None else told.reason
        if method.containing_service.full_name not in served:
            is_right = found == "METHOD_UNKNOWN"
        elif may_call(path, server, method):
            is_right = found not in ("METHOD_UNKNOWN", "PERMISSION_DENIED", "INTERNAL")
        else:
            is_right = found == "PERMISSION_DENIED"
        if not is_right:
            wrong.append(f"{method.full_name}: {found}")
    assert not wrong


async def test_a_denial_leaves_one_audit_row_however_often_it_is_repeated(federation: Federation) -> None:
    # Callers of this test alone: a row of theirs is of no other test, whose row may have been minutes ago.
    attempts = [
        ("region/henan/operator/spy", "guangdong", "/gateway.api.region.v1.OrderService/ListOrders"),
        ("region/sichuan", "guangdong", "/gateway.api.relay.v1.RelayService/Deliver"),
        ("region/guangdong/operator/spy", "coordinator", "/gateway.api.federation.v1.FederationService/Join"),
        ("coordinator/7", "coordinator", "/gateway.api.relay.v1.RelayService/Deliver"),
    ]
    for path, server, method in attempts:
        is_coordinator = server == "coordinator"
        channel = federation.dial_coordinator(path) if is_coordinator else federation.dial_node(server, path)
        rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
        for _ in range(5):
            with pytest.raises(grpc.aio.AioRpcError) as denied:
                await rpc(b"", timeout=CALL_SECONDS)
            assert read(denied.value).reason == "PERMISSION_DENIED"
        database = federation.coordinator_database if is_coordinator else federation.database(server)
        found = [
            row for row in read_chain(database) if (row.actor, row.action, row.subject) == (path, "DENIED", method)
        ]
        assert {row.detail.partition(" (and")[0] for row in found} == {"PERMISSION_DENIED"}, (path, method)
        # A machine on which five calls take more than a minute has a second row.
        assert all(later.time - row.time >= INTERVAL_US for row, later in pairwise(found)), (path, method)


async def test_another_operator_sees_nothing_of_an_order(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    order = await guangdong.order("SUSPEND", await sichuan.new_customer())
    other = Counter(federation, "guangdong", "app")
    for call in (other.get(order.id), other.cancel(order.id), other.expedite(order.id)):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call
        assert read(raised.value).reason == "ORDER_NOT_FOUND"
