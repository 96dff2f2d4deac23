"""An act of two people is not done by the word of a revoked certificate: a thief may have proposed or confirmed it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import TypeVar, cast

import grpc
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.api.federation.v1.configuration_pb2 import LegalBasis
from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.api.region.v1.approval_service_pb2 import (
    ApprovalState,
    DecideApprovalRequest,
    OperatorScope,
    SetOperatorScopeRequest,
)
from gateway.api.region.v1.erasure_service_pb2 import EraseCustomerRequest, ErasureReason, RestrictCustomerRequest
from gateway.api.region.v1.quarantine_service_pb2 import GiveUpQuarantinedWorkRequest
from gateway.api.region.v1.recovery_service_pb2 import AcceptLossRequest
from gateway.api.region.v1.retention_service_pb2 import HoldCustomerRequest, ReleaseHoldRequest
from gateway.api.region.v1.sharing_service_pb2 import ReadSharedCustomerRequest
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.auditing import audit
from gateway.auditing.audit import Head
from gateway.errors import Refused
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border
from gateway.relay.queries import Asker
from gateway.rpc.acting import Acting, ActingStaff
from gateway.rpc.calls import Call, enter
from gateway.security.authority import Authority
from gateway.security.identity import Identity
from gateway.security.peers import IssuedNumber, Peer
from gateway.security.signing import TrustedKeys
from gateway.security.staff_proofs import StaffProof
from gateway.store.fenced import FencedStore
from gateway.store.port import Operation, Store
from gateway.store.quarantine import TIMER, QuarantinedWork, work_id
from gateway.time.clock import Clock, to_microseconds, to_timestamp
from region_node.approvals import rules
from region_node.approvals.rows import require_row
from region_node.approvals.service import ApprovalService
from region_node.care.quarantine.operations import Quarantine
from region_node.care.quarantine.service import QuarantineService
from region_node.customers.rows import insert_line
from region_node.customers.sharing.application import SharingApplication
from region_node.customers.sharing.service import SharingService
from region_node.lifecycle.erasure.service import ErasureService
from region_node.lifecycle.recovery.operations import Finding
from region_node.lifecycle.recovery.service import RecoveryService
from region_node.lifecycle.registry import Registry
from region_node.lifecycle.retention.service import RetentionService
from region_node.node.context import RegionContext
from region_node.node.operator_scopes import Scope
from region_node.node.stored_scopes import SCOPES, ScopeKeeper, ScopeRow
from region_node.requests.questions import Questions
from tests.simulation.world import keys
from tests.unit.purging import NOW, Archive, archive
from tests.unit.situations import FEDERATION, LINE

S = TypeVar("S")
T = TypeVar("T")
NAME, VALID = "demo.example", timedelta(days=365)
CLOCK = cast("Clock", SimpleNamespace(now=lambda: NOW))
REQUESTED = ErasureReason.ERASURE_REASON_REQUESTED
REVOKED = Reason.REASON_PROPOSER_CERTIFICATE_REVOKED
WORK = work_id(TIMER, "late")


class Region:
    """A region with a customer, whose issuer has certified its staff and revokes them."""

    def __init__(self, kept: Archive) -> None:
        authority = Authority.create(NAME, NOW - VALID, NOW + VALID)
        self.issuer = authority.issue_issuer("sichuan", NOW - VALID, NOW + VALID)
        current = CurrentFederation()
        current.update(FEDERATION, [])
        trusted = TrustedKeys(authority.certificate_pem, NAME)
        kept.context = RegionContext(Border("sichuan", keys().signers["sichuan"], trusted, current))
        kept.registry = Registry(kept.context, ())
        self.kept, self.requests = kept, 0
        self.peers = {name: self.certified(name) for name in ("wang", "zhao", "li")}
        kept.customer()
        insert_line(kept.tx, LINE)

        async def write(operation: Operation[T]) -> T:
            return operation(kept.tx)

        self.store = cast("Store", SimpleNamespace(write=write, read=write))

    def certified(self, name: str) -> Peer:
        identity = Identity(NAME, Role.ROLE_STAFF, "sichuan", name)
        own = self.issuer.issue_tls(identity, NOW - VALID, NOW + VALID).certificate
        chain = [(IssuedNumber.of(each), each) for each in (own, self.issuer.certificate)]
        return Peer(identity, chain, NOW + VALID)

    def revoke(self, name: str) -> None:
        serial = self.peers[name].certificates[0][1].serial_number
        crl = self.issuer.revocation_list([serial], 1, NOW).public_bytes(Encoding.DER)
        issuer = self.issuer.certificate.public_bytes(Encoding.DER)
        self.kept.revocations.take(RevocationList(crl=crl, issuer_certificate=issuer))
        self.peers[name] = self.certified(name)

    def answer(
        self, method: Callable[[S, "grpc.aio.ServicerContext[S, T]"], Awaitable[T]], request: S, by: str = "wang"
    ) -> str:
        """The id of the approval that a call waits for; empty once it is done."""

        async def called() -> str:
            enter(self._call(by))
            try:
                await method(request, cast("grpc.aio.ServicerContext[S, T]", None))
            except Refused as refused:
                if refused.reason != Reason.REASON_APPROVAL_AWAITED:
                    raise
                return refused.parameters["approval"]
            return ""

        return asyncio.run(called())

    def _call(self, by: str) -> Call:
        operator, _, name = by.rpartition(":")
        peer = self.peers[name]
        if not operator:
            return Call(peer.identity, "-", None, certificates=peer.certificates)
        caller = Identity(NAME, Role.ROLE_OPERATOR, "sichuan", operator)
        proof = StaffProof(name, "certificate", "1", "0", NOW, peer)
        return Call(caller, "-", None, Acting(caller, proof, cast("ActingStaff", None)))

    def decide(self, approval: str, by: str, *, confirmed: bool = True) -> None:
        self.requests += 1
        request = DecideApprovalRequest(
            request_id=str(self.requests), approval_id=approval, confirmed=confirmed, number=LINE.number
        )
        waits = self.answer(self.approvals().DecideApproval, request, by)
        assert waits == ""

    def approvals(self) -> ApprovalService:
        async def look() -> None:
            """The keeper looks after a change alone."""

        scopes = cast("ScopeKeeper", SimpleNamespace(look=look))
        return ApprovalService(self.kept.context, self.store, CLOCK, scopes, frozenset({"OrderService"}))

    def state(self, approval: str) -> ApprovalState.ValueType:
        return require_row(self.kept.tx, approval).state_at(NOW)


@contextmanager
def region() -> Iterator[Region]:
    with archive() as kept:
        yield Region(kept)


def erases(here: Region, by: str = "wang") -> str:
    request = EraseCustomerRequest(request_id="1", number=LINE.number, reason=REQUESTED)
    request.requester.CopyFrom(Requester(staff_id=by.rpartition(":")[2], channel=Channel.CHANNEL_COUNTER))
    return here.answer(ErasureService(here.kept.registry, here.store, CLOCK).EraseCustomer, request, by)


def erases_through_an_operator_system(here: Region) -> str:
    return erases(here, "crm:wang")


def restricts(here: Region) -> str:
    request = RestrictCustomerRequest(number=LINE.number, reason=REQUESTED)
    return here.answer(ErasureService(here.kept.registry, here.store, CLOCK).RestrictCustomer, request)


def releases(here: Region) -> str:
    service = RetentionService(here.kept.registry, here.store, CLOCK)
    here.answer(service.HoldCustomer, HoldCustomerRequest(customer_id=LINE.customer_id, reference="court/1"))
    return here.answer(service.ReleaseHold, ReleaseHoldRequest(customer_id=LINE.customer_id, reference="court/1"))


def shortens_a_hold(here: Region) -> str:
    service = RetentionService(here.kept.registry, here.store, CLOCK)
    later, sooner = (
        HoldCustomerRequest(
            customer_id=LINE.customer_id, reference="court/1", end_time=to_timestamp(NOW + timedelta(days=days))
        )
        for days in (30, 10)
    )
    here.answer(service.HoldCustomer, later)
    return here.answer(service.HoldCustomer, sooner)


def widens_a_scope(here: Region) -> str:
    here.kept.tx.keep(SCOPES, ScopeRow.of("counter", Scope()))
    request = SetOperatorScopeRequest(operator="counter", scope=OperatorScope(services=["OrderService"]))
    return here.answer(here.approvals().SetOperatorScope, request)


def accepts_a_loss(here: Region) -> str:
    Finding("sichuan", ()).seen(here.kept.tx, "coordinator", Head(7, b"7" * 32), NOW)
    service = RecoveryService(here.kept.context, here.store, cast("FencedStore", None), CLOCK)
    return here.answer(service.AcceptLoss, AcceptLossRequest(number=1, reference="INC-1"))


def gives_work_up(here: Region) -> str:
    quarantine = Quarantine(here.kept.context, [], {})
    row = QuarantinedWork(WORK, TIMER, "reminder", "order 1", "ZeroDivisionError", 9, to_microseconds(NOW), 1)
    quarantine.keep(here.kept.tx, row, NOW)
    service = QuarantineService(quarantine, here.store, CLOCK)
    request = GiveUpQuarantinedWorkRequest(work_id=WORK, reference="INC-1")
    return here.answer(service.GiveUpQuarantinedWork, request)


def reads_by_legal_duty(here: Region) -> str:
    questions = Questions(here.kept.context, cast("Asker", None))
    service = SharingService(SharingApplication(here.kept.context, here.store, questions, CLOCK))
    request = ReadSharedCustomerRequest(
        request_id="1",
        number=LINE.number,
        purpose="fraud-investigation",
        legal_basis=LegalBasis.LEGAL_BASIS_LEGAL_DUTY,
        reference="粤公网查〔2031〕17号",
        requester=Requester(channel=Channel.CHANNEL_COUNTER),
    )
    return here.answer(service.ReadSharedCustomer, request)


ACTS = (
    erases,
    erases_through_an_operator_system,
    restricts,
    releases,
    shortens_a_hold,
    widens_a_scope,
    accepts_a_loss,
    gives_work_up,
    reads_by_legal_duty,
)


@pytest.mark.parametrize("thief", ["wang", "zhao"], ids=["the proposer", "the decider"])
def test_each_act_needs_another_confirmation_once_the_certificate_of_either_person_is_revoked(thief: str) -> None:
    found = {act.__name__: outcomes(act, thief) for act in ACTS}
    assert found == {act.__name__: ["proposed", "expired", "proposed anew", "done"] for act in ACTS}


def outcomes(act: Callable[[Region], str], thief: str) -> list[str]:
    """The ends of an act: once a thief has proposed or confirmed it, after the revocation, and by honest people."""
    with region() as here:
        stolen = act(here)
        first = "proposed" if stolen else "done"
        here.decide(stolen, "zhao")
        here.revoke(thief)
        again = act(here)
        told = [first, rules.state_name(here.state(stolen)), "proposed anew" if again not in ("", stolen) else "done"]
        if again:
            here.decide(again, "li")
        return [*told, "done" if act(here) == "" else "refused"]


def test_a_proposal_by_a_revoked_certificate_is_rejected_and_not_confirmed() -> None:
    with region() as here:
        stolen = erases(here)
        here.revoke("wang")
        with pytest.raises(Refused) as caught:
            here.decide(stolen, "zhao")
        told = (caught.value.reason, caught.value.parameters)
        assert told == (REVOKED, {"approval": stolen, "proposer": "wang"})
        assert here.state(stolen) == rules.PROPOSED
        here.decide(stolen, "zhao", confirmed=False)
        assert here.state(stolen) == rules.REJECTED


def test_a_colleague_through_the_same_operator_system_proposes_anew_what_a_thief_has_proposed() -> None:
    with region() as here:
        stolen = erases(here, "crm:wang")
        here.decide(stolen, "zhao")
        here.revoke("wang")
        again = erases(here, "crm:li")
        assert require_row(here.kept.tx, again).proposer == "li"
        row = [each for each in audit.rows(here.kept.tx) if each.action == "ProposeAct"][-1]
        told = f"APPROVAL_ACT_ERASE_CUSTOMER, in place of {stolen}, which a revoked certificate ends"
        assert (row.subject, row.detail.endswith(told)) == (again, True)
        here.decide(again, "zhao")
        assert erases(here, "crm:li") == ""


def test_the_revocation_of_anybody_else_ends_no_approval() -> None:
    with region() as here:
        approval = erases(here)
        here.decide(approval, "zhao")
        here.revoke("li")
        assert erases(here) == ""
