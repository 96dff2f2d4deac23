"""The acts of thieves who have the certificate of an administrator, and the key that signs; and all tables together."""

from collections.abc import Mapping, Sequence
from typing import Final

from gateway.api.coordinator.v1 import administration_pb2 as admin_api
from gateway.api.coordinator.v1 import enrolment_service_pb2 as enrolment_api
from gateway.api.coordinator.v1 import issue_service_pb2 as through
from gateway.api.coordinator.v1.administration_pb2_grpc import (
    ConfigurationServiceStub,
    OrderOversightServiceStub,
)
from gateway.api.coordinator.v1.enrolment_service_pb2_grpc import EnrolmentServiceStub
from gateway.api.coordinator.v1.issue_service_pb2_grpc import IssueServiceStub
from gateway.api.region.v1 import issue_oversight_service_pb2 as issues_api
from gateway.federation.acts import signed_act
from tests.federation.certificates import FEDERATION
from tests.federation.running import CALL_SECONDS
from tests.federation.stolen_acts import (
    DENIED,
    NO_RENEWAL,
    applies,
    issue,
    joins,
    reads_customer,
    renews,
    suspends,
    works_renewed,
)
from tests.federation.stolen_keys import (
    DONE,
    REVOKED,
    Act,
    Scene,
    false_list,
    outcome,
)
from tests.federation.stolen_members import COORDINATOR, KEYS_OF_A_NODE
from tests.federation.stolen_people import OPERATOR, STAFF

ADMINISTRATOR: Final = "admin/zhao"
OPEN_ISSUE = "/gateway.api.region.v1.IssueOversightService/OpenIssueForAdministrator"


async def reads_configuration(scene: Scene) -> str:
    """The configuration in force."""
    service = ConfigurationServiceStub(scene.federation.dial_coordinator(ADMINISTRATOR))
    return await outcome(service.GetConfiguration(admin_api.GetConfigurationRequest(), timeout=CALL_SECONDS))


async def reads_all_orders(scene: Scene) -> str:
    """Orders of all regions, without personal data."""
    service = OrderOversightServiceStub(scene.federation.dial_coordinator(ADMINISTRATOR))
    return await outcome(service.ListOrderSummaries(admin_api.ListOrderSummariesRequest(), timeout=CALL_SECONDS))


async def opens_issue(scene: Scene, path: str) -> str:
    """An issue that the stolen key signs, handed in by somebody's certificate."""
    federation, name = scene.federation, scene.federation.next_id()
    at_node = issues_api.OpenIssueForAdministratorRequest(request_id=name, issue=issue(scene))
    by, now = scene.people.signers["zhao"], federation.clock.now()
    signed = signed_act(by, FEDERATION, OPEN_ISSUE, "sichuan", at_node, now)
    request = through.OpenIssueRequest(request_id=name, issue=at_node.issue, signed=signed)
    service = IssueServiceStub(federation.dial_coordinator(path))
    return await outcome(service.OpenIssue(request, timeout=CALL_SECONDS))


async def invites(scene: Scene) -> str:
    """An invitation of a region; a second administrator approves it."""
    request = enrolment_api.InviteRegionRequest(region="hunan", token_hash=bytes(32), hours=1)
    service = EnrolmentServiceStub(scene.federation.dial_coordinator(ADMINISTRATOR))
    return await outcome(service.InviteRegion(request, timeout=CALL_SECONDS))


TOO_FEW, OTHER = "CONFIGURATION_SIGNATURES_INVALID", "admin/root"
ADMINISTRATOR_KEYS: Final = (
    Act("read the configuration", DONE, REVOKED, reads_configuration),
    Act("list the orders of all regions, without personal data", DONE, REVOKED, reads_all_orders),
    Act("invite a region, which a second administrator has to approve", DONE, REVOKED, invites),
    Act("ask for its next certificate", DONE, REVOKED, lambda it: renews(it, ADMINISTRATOR, ADMINISTRATOR)),
    Act(
        "work by a certificate that it has asked for since", DONE, REVOKED, lambda it: works_renewed(it, ADMINISTRATOR)
    ),
    Act(
        "ask for a certificate of another administrator",
        NO_RENEWAL,
        REVOKED,
        lambda it: renews(it, ADMINISTRATOR, OTHER),
    ),
    Act("suspend a region", DONE, REVOKED, lambda it: suspends(it, ADMINISTRATOR, "zhao")),
    Act(
        "suspend a region by the certificate of another administrator",
        DONE,
        "SUSPENSION_UNPROVEN",
        lambda it: suspends(it, OTHER, "zhao"),
    ),
    Act("open an issue at a node", DONE, REVOKED, lambda it: opens_issue(it, ADMINISTRATOR)),
    Act(
        "open an issue by the certificate of another administrator",
        DONE,
        "ADMINISTRATOR_ACT_UNPROVEN",
        lambda it: opens_issue(it, OTHER),
    ),
    Act(
        "apply a configuration with one signature of two",
        TOO_FEW,
        REVOKED,
        lambda it: applies(it, ADMINISTRATOR, ("zhao",)),
    ),
    Act(
        "apply a configuration by the certificate of another administrator, with one signature of two",
        TOO_FEW,
        TOO_FEW,
        lambda it: applies(it, OTHER, ("zhao",)),
    ),
    Act("read a customer", DENIED, REVOKED, lambda it: reads_customer(it, ADMINISTRATOR, "sichuan", it.foreign)),
    Act("join as a region", DENIED, REVOKED, lambda it: joins(it, ADMINISTRATOR, "henan")),
    Act("revoke others", "REVOCATION_LIST_INVALID", REVOKED, lambda it: it.publish(ADMINISTRATOR, false_list())),
)

STOLEN: Final[Mapping[str, Sequence[Act]]] = {
    "Key of an operator system": OPERATOR,
    "Key of a member of staff": STAFF,
    "Keys of a region's node": KEYS_OF_A_NODE,
    "Key of a coordinator": COORDINATOR,
    "Keys of an administrator": ADMINISTRATOR_KEYS,
}
"""The acts by the heading of their table in SECURITY.md."""
