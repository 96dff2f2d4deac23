"""The federation configuration, for administrators."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from coordinator.configuration.assigning import is_next, require_kept, require_proven, written_with
from coordinator.configuration.departures import Departures
from coordinator.configuration.number_plans import NumberPlans
from coordinator.configuration.readable import unreadable_by
from coordinator.membership.members import former_regions, members_of
from coordinator.membership.rules import require_configured, require_ever_joined
from coordinator.registry import shares
from coordinator.registry.port import Registry, Snapshot
from coordinator.registry.signed import described, next_chain, proposed
from coordinator.registry.writes import Writes
from gateway.api.coordinator.v1 import administration_pb2 as contract
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceServicer
from gateway.api.federation.v1.configuration_pb2 import Configuration, NumberException
from gateway.api.federation.v1.federation_pb2 import NumberAssignment, NumberAssignments
from gateway.api.federation.v1.revision_pb2 import Anchor
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused, in_both, invalid
from gateway.federation.body import Body, asked_instant
from gateway.federation.numberplan import normalize
from gateway.federation.revisions import digest
from gateway.federation.rules import difference, problems, problems_not_in_force
from gateway.federation.terms import terms_of
from gateway.process import failpoints
from gateway.rpc.calls import current_call
from gateway.rpc.few_at_once import FewAtOnce
from gateway.security.signing import TrustedKeys, certificate_hash
from gateway.time.clock import BETWEEN_TRUSTED, Clock, to_microseconds
from gateway.values.choices import first_unknown
from gateway.values.lists import joined, joined_clauses

PATIENCE = 30.0  # seconds for which a configuration waits until another one is examined, which takes several
_TOLD_CHANGES, _TOLD_REVISIONS = 500, 50  # the contract says so
_TOLD_PROBLEMS = 20  # a status travels in headers, which have a limit; `federation validate` shows all


class ConfigurationService(ConfigurationServiceServicer):
    """Gives and replaces the configuration as a whole."""

    def __init__(self, registry: Registry, keys: TrustedKeys, federation: str, clock: Clock) -> None:
        """`federation` is the trust domain; a configuration for another one is invalid here."""
        self._registry = registry
        self._keys = keys
        self._plans = NumberPlans()
        self._departures = Departures(registry)
        self._writes = Writes(shares.ASSIGNMENT_WRITES)
        self._federation = federation
        self._clock = clock
        self._comparing = FewAtOnce(1, PATIENCE)  # also for dry runs without signatures
        # Any administrator may send what takes long to compare: it holds up nothing that enough of them have signed.
        self._applying = FewAtOnce(1, PATIENCE)

    async def GetConfiguration(
        self,
        request: contract.GetConfigurationRequest,
        context: grpc.aio.ServicerContext[contract.GetConfigurationRequest, contract.GetConfigurationResponse],
    ) -> contract.GetConfigurationResponse:
        """See the contract."""
        snapshot = self._registry.snapshot()
        response = contract.GetConfigurationResponse(
            federation_revision=snapshot.revision,
            place=await asyncio.to_thread(self._place, snapshot),
            requires_signatures=snapshot.chain is not None,
        )
        if snapshot.chain is not None and snapshot.chain.revisions:
            response.statement = snapshot.chain.revisions[-1].statement
        if request.wants_content:
            response.content = snapshot.content
        elif snapshot.configuration is not None:
            self._copy(snapshot.configuration, request.read_mask, response.configuration)
        return response

    @staticmethod
    def _copy(configuration: Configuration, mask: FieldMask, told: Configuration) -> None:
        """The parts that a mask names; all without one. Raises Refused with REQUEST_INVALID for a part that is none."""
        if not mask.paths:
            told.CopyFrom(configuration)
            return
        if not {*Configuration.DESCRIPTOR.fields_by_name} >= {*mask.paths}:
            raise invalid("read_mask", "names parts of the configuration", "应为配置的组成部分")
        mask.MergeMessage(configuration, told)

    async def CompareRevisions(
        self,
        request: contract.CompareRevisionsRequest,
        context: grpc.aio.ServicerContext[contract.CompareRevisionsRequest, contract.CompareRevisionsResponse],
    ) -> contract.CompareRevisionsResponse:
        """See the contract."""
        return await self._comparing.whole(partial(self._compared, request))

    async def _compared(self, request: contract.CompareRevisionsRequest) -> contract.CompareRevisionsResponse:
        """The changes, and who has signed what. Raises as `_before`, `proposed` and `_require_valid`."""
        before, answer = await self._before(request), contract.CompareRevisionsResponse()
        if request.HasField("proposal"):
            chain = self._registry.snapshot().chain
            after, names = await asyncio.to_thread(proposed, chain, request.proposal)
            answer.signers.extend(names)
            await asyncio.to_thread(self._require_valid, after)
        else:
            after = await self._kept("to_revision", request.to_revision)
            first, last = sorted((request.from_revision, request.to_revision))
            told = range(max(first, last - _TOLD_REVISIONS + 1), last + 1)
            times = await self._applied_times(told)
            # The chain that both revisions are of: one may have come into force since the request arrived.
            chain = self._registry.snapshot().chain
            answer.revisions.extend(await asyncio.to_thread(described, chain, reversed(told), times))
        # Half a million prefixes take seconds: beside the event loop, which has envelopes to forward.
        changes = await asyncio.to_thread(difference, before, after)
        for each in changes[:_TOLD_CHANGES]:
            answer.changes.add(changed_path=each.path, old_value=each.old, new_value=each.new)
        answer.left_off = len(changes) - len(answer.changes)
        return answer

    async def _applied_times(self, revisions: range) -> Mapping[int, datetime]:
        """When revisions came into force; none where the registry does not answer, as the rest is known without it."""
        try:
            return await self._registry.applied_times(revisions)
        except Refused:
            return {}

    async def _before(self, request: contract.CompareRevisionsRequest) -> Configuration:
        """The configuration before the changes, empty for a proposal while none is in force. Raises as `_kept`."""
        if request.HasField("proposal") and request.from_revision == self._registry.snapshot().revision == 0:
            return Configuration()
        return await self._kept("from_revision", request.from_revision)

    async def _kept(self, field: str, revision: int) -> Configuration:
        """A configuration that is or was in force. Raises Refused with REQUEST_INVALID for an unknown revision."""
        found = await self._registry.configuration_at(revision)
        # A later one of the store does not verify.
        if found is None or revision > self._registry.snapshot().revision:
            raise invalid(field, "no such revision was in force", "没有该版本的配置")
        return found

    async def GetTerms(
        self,
        request: contract.GetTermsRequest,
        context: grpc.aio.ServicerContext[contract.GetTermsRequest, contract.GetTermsResponse],
    ) -> contract.GetTermsResponse:
        """See the contract."""
        snapshot = self._registry.snapshot()
        if snapshot.configuration is None:
            return contract.GetTermsResponse()
        terms = terms_of(snapshot.configuration)
        terms.former_regions.extend(former_regions(snapshot))
        return contract.GetTermsResponse(terms=terms)

    async def GetBody(
        self,
        request: contract.GetBodyRequest,
        context: grpc.aio.ServicerContext[contract.GetBodyRequest, contract.GetBodyResponse],
    ) -> contract.GetBodyResponse:
        """See the contract."""
        snapshot = self._registry.snapshot()
        if request.region:
            require_configured(members_of(snapshot), request.region)
        at = asked_instant(request.duty_time if request.HasField("duty_time") else None, self._clock.now())
        body = Body(snapshot.configuration or Configuration())
        return contract.GetBodyResponse(body=body.status(request.region, at, snapshot.revision))

    async def ApplyConfiguration(
        self,
        request: contract.ApplyConfigurationRequest,
        context: grpc.aio.ServicerContext[contract.ApplyConfigurationRequest, contract.ApplyConfigurationResponse],
    ) -> contract.ApplyConfigurationResponse:
        """See the contract."""
        signed = request.signed if request.HasField("signed") else None
        must_be_signed = signed is not None or not request.validate_only
        examining = self._applying if must_be_signed else self._comparing
        wanted = await examining.whole(partial(self._examined, request, signed, must_be_signed=must_be_signed))
        if request.validate_only:
            revision = await asyncio.to_thread(self._check, wanted, signed, request.expected_revision)
            return contract.ApplyConfigurationResponse(federation_revision=revision)
        revision = await self._registry.apply(
            wanted,
            expected_revision=request.expected_revision,
            actor=current_call().identity.path,
            signed=signed,
        )
        return contract.ApplyConfigurationResponse(federation_revision=revision)

    async def _examined(
        self,
        request: contract.ApplyConfigurationRequest,
        signed: contract.SignedConfiguration | None,
        *,
        must_be_signed: bool,
    ) -> Configuration:
        """The configuration to put in force. Raises Refused where it may not be: first for want of signatures.

        Whoever lacks those of other administrators may send as many configurations as they like.
        """
        # Half a million prefixes take seconds: beside the event loop, which has envelopes to forward.
        if must_be_signed:
            await asyncio.to_thread(next_chain, self._registry.snapshot().chain, signed, self._clock.now())
        wanted = request.configuration
        if signed is not None:
            wanted = await asyncio.to_thread(Configuration.FromString, signed.content)
        await asyncio.to_thread(self._require_valid, wanted)
        if not request.allow_unreadable:
            self._require_readable(wanted)
        await self._require_assignments(wanted)
        return wanted

    async def AssignNumber(
        self,
        request: contract.AssignNumberRequest,
        context: grpc.aio.ServicerContext[contract.AssignNumberRequest, contract.AssignNumberResponse],
    ) -> contract.AssignNumberResponse:
        """See the contract."""
        wanted, identity = request.assignment, current_call().identity
        require_proven(wanted, request.signing_certificate, identity.region, self._keys)
        if wanted.sign_time_us > to_microseconds(self._clock.now() + BETWEEN_TRUSTED):
            raise Refused(Reason.REASON_CLOCK_UNTRUSTED)
        snapshot = self._registry.snapshot()
        require_ever_joined(members_of(snapshot), wanted.region)  # no other region can have taken a customer over
        plan, now = await self._plans.of(snapshot), asyncio.get_running_loop().time()
        await self._departures.read_on()

        def decide(kept: Sequence[NumberAssignment]) -> bool:
            is_new = is_next(plan, kept, wanted)
            if is_new:
                self._departures.require_room(identity.region, snapshot.configuration)
                take(written_with(kept, wanted, request.signing_certificate))
            return is_new

        with self._writes.change(identity.region, now) as take:
            mark = await self._registry.assignments.keep(
                wanted, request.signing_certificate, decide, actor=identity.path
            )
        failpoints.reach("number-assigned.after-commit")
        return contract.AssignNumberResponse(mark=mark)

    async def GetNumber(
        self,
        request: contract.GetNumberRequest,
        context: grpc.aio.ServicerContext[contract.GetNumberRequest, contract.GetNumberResponse],
    ) -> contract.GetNumberResponse:
        """See the contract."""
        number = normalize(request.number)
        plan = await self._plans.of(self._registry.snapshot())
        kept = await self._registry.assignments.of(number)
        standing = plan.standing(number, kept.assignments)
        certificates = {certificate_hash(each): each for each in kept.signing_certificates}
        response = contract.GetNumberResponse(
            region=standing.region or "", prefix_region=plan.prefix_home_of(number) or ""
        )
        if (ruled := plan.ruled(number)) is not None:
            outranked = plan.outranked(number)
            response.exception.CopyFrom(NumberException(number=number, region=ruled, outranked_sequence=outranked))
        for each in kept.assignments:
            pem = certificates.get(each.certificate_hash, b"")
            response.assignments.add(assignment=each, signing_certificate=pem, counts=each in standing.counted)
        return response

    def _require_valid(self, configuration: Configuration) -> None:
        if (unknown := first_unknown(configuration)) is not None:
            raise Refused(Reason.REASON_CONFIGURATION_UNREADABLE, member="coordinator", field=str(unknown))
        found = problems(configuration)
        found += problems_not_in_force(configuration, self._registry.snapshot().configuration or Configuration())
        if configuration.federation != self._federation:
            found.insert(0, f"federation: this coordinator belongs to {self._federation}")
        if found:
            more = len(found) - _TOLD_PROBLEMS
            further = [LocalizedText(zh_cn=f"另有{more}项", en=f"and {more} more")] if more > 0 else []
            told = in_both(problem=joined_clauses([*found[:_TOLD_PROBLEMS], *further]))
            raise Refused(Reason.REASON_CONFIGURATION_INVALID, **told)

    def _require_readable(self, configuration: Configuration) -> None:
        """Raises Refused with CONFIGURATION_UNREADABLE where a member of the configuration cannot read it.

        Suspended members receive no configuration and are exempt. So are members that cannot read the one in force
        either.
        """
        snapshot = self._registry.snapshot()
        before = unreadable_by(snapshot, snapshot.configuration or Configuration())
        wanted = unreadable_by(snapshot, configuration).items()
        if unreadable := {region: choice for region, choice in wanted if region not in before}:
            fields = joined_clauses(dict.fromkeys(map(str, unreadable.values())))
            told = in_both(member=joined(unreadable), field=fields)
            raise Refused(Reason.REASON_CONFIGURATION_UNREADABLE, **told)

    async def _require_assignments(self, wanted: Configuration) -> None:
        """Raises Refused with NUMBER_ASSIGNMENTS_LOST where a number plan changes the home of numbers that moved."""
        snapshot, kept, page = self._registry.snapshot(), list[NumberAssignment](), NumberAssignments(has_more=True)
        if not snapshot.assignment_mark.revision or snapshot.configuration is None:
            return
        while page.has_more:
            page = await self._registry.assignments.after(page.mark)
            kept += page.assignments
        before = await self._plans.of(snapshot)
        await asyncio.to_thread(require_kept, before, wanted, kept)

    def _check(self, wanted: Configuration, signed: contract.SignedConfiguration | None, expected_revision: int) -> int:
        """The revision in force. Raises Refused where applying would, but for the signatures that are still missing."""
        snapshot = self._registry.snapshot()
        if signed is not None:
            return snapshot.revision
        changes = difference(snapshot.configuration or Configuration(), wanted)
        if changes and expected_revision != snapshot.revision:
            raise Refused(Reason.REASON_CONFIGURATION_CHANGED, revision=str(snapshot.revision))
        return snapshot.revision

    def _place(self, snapshot: Snapshot) -> Anchor:
        """The place after which the next signed revision follows; without an anchor that of the unsigned one."""
        if snapshot.chain is not None:
            return snapshot.chain.place
        if snapshot.configuration is None:
            return Anchor(federation=self._federation)
        return Anchor(
            federation=self._federation,
            revision=snapshot.revision,
            digest=digest(snapshot.content),
            administration=snapshot.configuration.administration,
        )
