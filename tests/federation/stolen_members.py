"""The acts of thieves who have the keys of a region's node, or of a coordinator."""

from typing import Final

from gateway.api.coordinator.v1 import administration_pb2 as admin_api
from gateway.api.coordinator.v1.administration_pb2_grpc import (
    ConfigurationServiceStub,
)
from gateway.api.federation.v1.federation_pb2 import WatchRequest
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity, ProblemHeader, ProblemState
from gateway.api.region.v1 import issue_oversight_service_pb2 as issues_api
from gateway.api.region.v1 import order_oversight_service_pb2 as node_oversight_api
from gateway.api.region.v1.billing_service_pb2 import QueryBillRequest
from gateway.api.region.v1.customer_service_pb2 import QueryProfileRequest
from gateway.api.region.v1.customer_status_envelopes_pb2 import CustomerStatusNotice
from gateway.api.region.v1.erasure_service_pb2 import CustomerStatus
from gateway.api.region.v1.followed_problem_service_pb2 import FollowProblemRequest
from gateway.api.region.v1.followed_problem_service_pb2_grpc import FollowedProblemServiceStub
from gateway.api.region.v1.issue_oversight_service_pb2_grpc import IssueOversightServiceStub
from gateway.api.region.v1.order_envelopes_pb2 import OrderSubmission, OrderUpdate
from gateway.api.region.v1.order_oversight_service_pb2_grpc import OrderOversightServiceStub as NodeOversightStub
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.relay.v1.relay_pb2 import Envelope, EnvelopeKind
from gateway.api.types.v1.types_pb2 import Applicant
from gateway.federation.assignments import Standing, signed_assignment
from gateway.security.signing import Signer
from gateway.time.clock import to_timestamp
from region_node.network.problems.following import PROBLEM_TIMER
from tests.federation.counter import REQUESTER, Counter
from tests.federation.forger import SUBMIT, UPDATE, Forger, sent_about
from tests.federation.line_bindings import bind
from tests.federation.running import CALL_SECONDS, until
from tests.federation.stolen_acts import (
    DENIED,
    INVALID,
    NO_RENEWAL,
    applies,
    brings,
    carried,
    issue,
    joins,
    lists_orders,
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
    envelope_outcome,
    false_list,
    outcome,
    stream_outcome,
)
from tests.federation.test_envelopes import fresh_submission

NODE: Final = "region/henan"
HUB: Final = "coordinator/1"


def thief(scene: Scene) -> Forger:
    """Somebody who has the keys of Henan's node."""
    return Forger(scene.federation, "henan")


async def delivers(scene: Scene, envelope: Envelope, destination: str) -> str:
    """An envelope that the thief hands to the coordinator."""
    return await envelope_outcome(thief(scene).deliver(envelope, destination))


async def submission(scene: Scene) -> Envelope:
    """An order in the name of Henan for a customer of Sichuan."""
    number = await Counter(scene.federation, "sichuan").new_customer()
    order = fresh_submission(Counter(scene.federation, "henan"), number)
    return thief(scene).seal("sichuan", SUBMIT, OrderSubmission(order=order), order.id)


async def hands_in(scene: Scene) -> str:
    """Such an order, by the coordinator."""
    return await delivers(scene, await submission(scene), "sichuan")


async def by_a_helper(scene: Scene) -> str:
    """Such an order, by a coordinator that looks at no list."""
    return await carried(scene, "coordinator/0", await submission(scene), "sichuan")


def as_guangdong(scene: Scene) -> Envelope:
    """An order in the name of Guangdong, signed by Henan."""
    order = fresh_submission(Counter(scene.federation, "guangdong"), scene.foreign)
    return thief(scene).seal("sichuan", SUBMIT, OrderSubmission(order=order), order.id, origin="guangdong")


def former(scene: Scene) -> Envelope:
    """The order of Guangdong, as it was sent."""
    return sent_about(scene.federation, "guangdong", scene.order.id)[0]


def lie(scene: Scene) -> Envelope:
    """A later version of an order that Henan has no part in."""
    told = Order()
    told.CopyFrom(scene.order)
    told.version += 5
    return thief(scene).seal("guangdong", UPDATE, OrderUpdate(order=told), told.id)


def erased(scene: Scene) -> Envelope:
    """A word that a customer of another region was erased."""
    told = CustomerStatusNotice(numbers=[scene.foreign], status=CustomerStatus.CUSTOMER_STATUS_ERASED)
    return thief(scene).seal("guangdong", EnvelopeKind.ENVELOPE_KIND_CUSTOMER_STATUS, told, "status/stolen")


async def asks(scene: Scene, kind: EnvelopeKind.ValueType, question: QueryBillRequest | QueryProfileRequest) -> str:
    """A question about a customer of Sichuan, with papers that the thief invents."""
    question.documents.extend(Counter(scene.federation, "henan").document(each) for each in ("ID_ORIG", "FACE"))
    question.number, question.applicant = scene.foreign, Applicant.APPLICANT_HOLDER
    question.requester.CopyFrom(REQUESTER)
    subject = "QRY_BILL" if isinstance(question, QueryBillRequest) else "QRY_PROFILE"
    return await delivers(scene, thief(scene).seal("sichuan", kind, question, subject), "sichuan")


async def asks_bill(scene: Scene) -> str:
    """The bill of another region's customer."""
    question = QueryBillRequest(month=f"{scene.federation.clock.now():%Y-%m}")
    return await asks(scene, EnvelopeKind.ENVELOPE_KIND_BILL_QUERY, question)


async def asks_profile(scene: Scene) -> str:
    """The profile of another region's customer."""
    return await asks(scene, EnvelopeKind.ENVELOPE_KIND_PROFILE_QUERY, QueryProfileRequest())


async def gives_away(scene: Scene) -> str:
    """An assignment of a number of Sichuan to Henan, signed by Henan in the name of Sichuan."""
    federation = scene.federation
    files = federation.certificates.signing(NODE)
    signer, certificate = Signer.load(files.key), files.certificate.read_bytes()
    before, now = Standing("sichuan", 0), federation.clock.now()
    assignment = signed_assignment(scene.foreign, "henan", "sichuan", before, signer, certificate, now)
    service = ConfigurationServiceStub(federation.dial_coordinator(NODE))
    request = admin_api.AssignNumberRequest(assignment=assignment, signing_certificate=certificate)
    return await outcome(service.AssignNumber(request, timeout=CALL_SECONDS))


async def watches_federation(scene: Scene) -> str:
    """The stream by which a node learns of everything, kept open."""
    service = FederationServiceStub(scene.federation.dial_coordinator(NODE))
    return await stream_outcome(scene, NODE, lambda: service.Watch(WatchRequest(verified_revision=0)).read)


SIGNATURE = "ENVELOPE_SIGNATURE_INVALID"
KEYS_OF_A_NODE: Final = (
    Act("join as its region", DONE, REVOKED, lambda it: joins(it, NODE, "henan")),
    Act("work by a certificate that it has asked for since", DONE, REVOKED, lambda it: works_renewed(it, NODE)),
    Act("follow the federation, on a stream that stays open", DONE, REVOKED, watches_federation),
    Act("order for another region's customer, with invented papers", DONE, REVOKED, hands_in),
    Act("read the bill of another region's customer, with invented papers", DONE, REVOKED, asks_bill),
    Act("read the profile of another region's customer", "DOCUMENT_MISSING", REVOKED, asks_profile),
    Act(
        "join with the signing certificate of another region", INVALID, REVOKED, lambda it: joins(it, NODE, "guangdong")
    ),
    Act(
        "send an envelope in the name of another region",
        "ENVELOPE_SENDER_WRONG",
        REVOKED,
        lambda it: delivers(it, as_guangdong(it), "sichuan"),
    ),
    Act(
        "send an old envelope of another region again",
        "ENVELOPE_SENDER_WRONG",
        REVOKED,
        lambda it: delivers(it, former(it), "sichuan"),
    ),
    Act(
        "send a later version of an order of others",
        "ENVELOPE_KIND_NOT_ALLOWED",
        REVOKED,
        lambda it: delivers(it, lie(it), "guangdong"),
    ),
    Act(
        "say that a customer of another region was erased",
        "ENVELOPE_KIND_NOT_ALLOWED",
        REVOKED,
        lambda it: delivers(it, erased(it), "guangdong"),
    ),
    Act("give away a number of another region", "NOT_HOME", REVOKED, gives_away),
    Act("send an own envelope past the coordinators' check, by a coordinator that helps", DONE, SIGNATURE, by_a_helper),
    Act("call the node of another region", DENIED, REVOKED, lambda it: brings(it, NODE, "sichuan")),
    Act("suspend a region", DENIED, REVOKED, lambda it: suspends(it, NODE, "zhao")),
    Act("apply a configuration", DENIED, REVOKED, lambda it: applies(it, NODE)),
    Act("revoke others", "REVOCATION_LIST_INVALID", REVOKED, lambda it: it.publish(NODE, false_list())),
)


# --- a coordinator


async def acts_as_administrator(scene: Scene) -> str:
    """An issue that the thief opens in an administrator's name, at a node."""
    request = issues_api.OpenIssueForAdministratorRequest(request_id="r", administrator="admin/li", issue=issue(scene))
    service = IssueOversightServiceStub(scene.federation.dial_node("sichuan", HUB))
    return await outcome(service.OpenIssueForAdministrator(request, timeout=CALL_SECONDS))


async def oversees(scene: Scene) -> str:
    """Orders of a region, without personal data."""
    service = NodeOversightStub(scene.federation.dial_node("guangdong", HUB))
    request = node_oversight_api.ListOrderSummariesRequest()
    return await outcome(service.ListOrderSummaries(request, timeout=CALL_SECONDS))


async def invents_problem(scene: Scene) -> str:
    """A network problem of which no region has told, at the home of a customer whose line it would concern."""
    federation, service = scene.federation, "broadband-chengdu"
    await bind(Counter(federation, "sichuan"), scene.foreign, service)
    node = FollowedProblemServiceStub(federation.dial_node("sichuan", HUB))
    header = ProblemHeader(
        id=federation.next_id(),
        version=1,
        state=ProblemState.PROBLEM_STATE_IN_PROGRESS,
        severity=PerceivedSeverity.PERCEIVED_SEVERITY_CRITICAL,
        services=[service],
        child_ids=["sichuan/alarm/alarm-1"],
        start_time=to_timestamp(federation.clock.now()),
    )
    told = await outcome(node.FollowProblem(FollowProblemRequest(header=header), timeout=CALL_SECONDS))

    async def is_done() -> bool:
        sql = "SELECT COUNT(*) FROM timers WHERE kind = ?"
        return federation.database("sichuan").rows(sql, PROBLEM_TIMER) == [(0,)]

    await until(is_done, "nothing of the problem waits")
    sql = "SELECT COUNT(*) FROM notices WHERE kind = ?"
    notified = federation.database("sichuan").rows(sql, "network-problem-begun") != [(0,)]
    return "a customer was notified" if notified else told


COORDINATOR: Final = (
    Act("list the orders of a region, without personal data", DONE, REVOKED, oversees),
    Act(
        "bring an old envelope again: the same receipt, and no second effect",
        DONE,
        REVOKED,
        lambda it: carried(it, HUB, former(it), "sichuan"),
    ),
    Act(
        "bring an old envelope to another region",
        "ENVELOPE_INVALID",
        REVOKED,
        lambda it: carried(it, HUB, former(it), "henan"),
    ),
    Act(
        "bring an envelope that its origin has not signed",
        SIGNATURE,
        REVOKED,
        lambda it: carried(it, HUB, as_guangdong(it), "sichuan"),
    ),
    Act(
        "tell a region of a network problem that nobody has: its staff see it, no customer",
        DONE,
        REVOKED,
        invents_problem,
    ),
    Act("ask for its next certificate", DONE, REVOKED, lambda it: renews(it, HUB, HUB)),
    Act("work by a certificate that it has asked for since", DONE, REVOKED, lambda it: works_renewed(it, HUB)),
    Act("ask for a certificate of an administrator", NO_RENEWAL, REVOKED, lambda it: renews(it, HUB, "admin/root")),
    Act("act at a node in an administrator's name", "ADMINISTRATOR_ACT_UNSIGNED", REVOKED, acts_as_administrator),
    Act("read a customer", DENIED, REVOKED, lambda it: reads_customer(it, HUB, "sichuan", it.foreign)),
    Act("list the orders of an operator system", DENIED, REVOKED, lambda it: lists_orders(it, HUB)),
    Act("join as a region", DENIED, REVOKED, lambda it: joins(it, HUB, "henan")),
    Act("suspend a region at another coordinator", DENIED, REVOKED, lambda it: suspends(it, HUB, "zhao")),
    Act("apply a configuration at another coordinator", DENIED, REVOKED, lambda it: applies(it, HUB)),
    Act("revoke others", DENIED, REVOKED, lambda it: it.publish(HUB, false_list())),
)
