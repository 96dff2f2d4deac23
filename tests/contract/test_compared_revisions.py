"""Two revisions of the configuration are compared by a real coordinator."""

import asyncio
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import cast

import grpc
import pytest

from coordinator.configuration.service import ConfigurationService
from coordinator.registry.port import Registry, Snapshot
from gateway.api.coordinator.v1.administration_pb2 import (
    DESCRIPTOR,
    ApplyConfigurationRequest,
    CompareRevisionsRequest,
    CompareRevisionsResponse,
    SignedConfiguration,
)
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.revision_pb2 import RevisionStatement, SignedRevision
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused
from gateway.federation.revisions import digest, place_of
from gateway.federation.rules import Change, difference
from gateway.rpc.access import LARGEST_REQUEST
from gateway.rpc.calls import Call, enter
from gateway.rpc.channels import invoke
from gateway.rpc.element_counts import most_elements
from gateway.security.identity import parse
from gateway.security.signing import TrustedKeys
from gateway.time.clock import SystemClock, from_timestamp
from tests import preloaded
from tests.administrators import Administrators
from tests.contract.border_scene import largest_request
from tests.contract.coordinators import ADMIN, PATIENCE_S, federation, refused, run
from tests.contract.small_federation import CLOCK, CONFIGURATION, FEDERATION, Certificates

COMPARE = DESCRIPTOR.services_by_name["ConfigurationService"].methods_by_name["CompareRevisions"]


def test_the_changes_between_two_revisions_are_told_in_either_order_and_an_unknown_revision_is_refused(
    certificates: Certificates, tmp_path: Path
) -> None:
    renamed = Configuration()
    renamed.CopyFrom(CONFIGURATION)
    region = next(each for each in renamed.regions if each.id == "sichuan")
    former, region.name.en = region.name.en, "Tianfu"

    async def scenario() -> None:
        async with federation(certificates, tmp_path / "data") as it:
            stub = ConfigurationServiceStub(it.as_(ADMIN))
            await it.apply()
            await it.apply(renamed)
            for revisions, values in (((1, 2), (former, "Tianfu")), ((2, 1), ("Tianfu", former))):
                request = CompareRevisionsRequest(from_revision=revisions[0], to_revision=revisions[1])
                answer = await invoke(stub.CompareRevisions, request, PATIENCE_S)
                told = [(each.changed_path, each.old_value, each.new_value) for each in answer.changes]
                assert (told, answer.left_off) == ([("regions[sichuan].name.en", *values)], 0)
            unknown = CompareRevisionsRequest(from_revision=1, to_revision=3)
            assert await refused(invoke(stub.CompareRevisions, unknown, PATIENCE_S)) == "REQUEST_INVALID"

    run(scenario())


def test_a_proposal_is_compared_with_an_empty_configuration_until_a_revision_is_in_force(
    certificates: Certificates, tmp_path: Path
) -> None:
    people = Administrators(tmp_path, FEDERATION)

    async def scenario() -> None:
        async with federation(certificates, tmp_path / "data", anchor=people.anchor_file) as it:
            stub = ConfigurationServiceStub(it.as_(ADMIN))
            first = people.signed(people.anchor, CONFIGURATION, CLOCK.now(), ["li"])
            asked = CompareRevisionsRequest(proposal=first)
            answer = await invoke(stub.CompareRevisions, asked, PATIENCE_S)
            told = {each.changed_path: each for each in answer.changes}["administration.threshold"]
            assert (told.HasField("old_value"), told.new_value, [*answer.signers]) == (False, "2", ["li"])
            between = CompareRevisionsRequest(from_revision=0, to_revision=0)
            assert await refused(invoke(stub.CompareRevisions, between, PATIENCE_S)) == "REQUEST_INVALID"
            whole = ApplyConfigurationRequest(signed=people.signed(people.anchor, CONFIGURATION, CLOCK.now()))
            await invoke(stub.ApplyConfiguration, whole, PATIENCE_S)
            assert await refused(invoke(stub.CompareRevisions, asked, PATIENCE_S)) == "REQUEST_INVALID"

    run(scenario())


def test_signed_revisions_are_told_with_their_times_signers_and_the_statement_before(
    certificates: Certificates, tmp_path: Path
) -> None:
    people = Administrators(tmp_path, FEDERATION, ("li", "wang", "zhao"))

    async def scenario() -> None:
        async with federation(certificates, tmp_path / "data", anchor=people.anchor_file) as it:
            stub, begun = ConfigurationServiceStub(it.as_(ADMIN)), CLOCK.now()
            first = people.signed(people.anchor, CONFIGURATION, begun, ["li", "wang"])
            second = people.signed(place_of(first.revision), CONFIGURATION, CLOCK.now(), ["wang", "zhao"])
            environment = {
                "CROSSREGION_COORDINATOR": it.endpoint,
                "CROSSREGION_CREDENTIALS": str(certificates.credentials(ADMIN).certificate.parent),
                "CROSSREGION_FEDERATION": FEDERATION,
            }
            words = ("federation", "history")
            for each, signers, begins in ((first, "li, wang", True), (second, "wang, zhao", False)):
                await invoke(stub.ApplyConfiguration, ApplyConfigurationRequest(signed=each), PATIENCE_S)
                ended = await asyncio.to_thread(preloaded.run, "coordinator.cli.main", *words, environment=environment)
                has_none = "no revision before 1 to compare it with" in ended.err
                assert (ended.code, f"2 of 2: {signers}" in ended.out, has_none) == (0, True, begins), ended.err
            for asked in ((1, 2), (2, 1)):
                request = CompareRevisionsRequest(from_revision=asked[0], to_revision=asked[1])
                found = (await invoke(stub.CompareRevisions, request, PATIENCE_S)).revisions
                assert [each.federation_revision for each in found] == [2, 1]
                assert [[*each.signers] for each in found] == [["wang", "zhao"], ["li", "wang"]]
                assert [each.threshold for each in found] == [2, 2]
                assert [each.previous_digest for each in found] == [digest(first.revision.statement), b""]
                statement = RevisionStatement.FromString(first.revision.statement)
                assert (found[1].issue_time, found[1].end_time) == (statement.issue_time, statement.end_time)
                assert begun <= from_timestamp(found[1].apply_time) <= from_timestamp(found[0].apply_time)

    run(scenario())


async def is_answered(stub: ConfigurationServiceStub, request: CompareRevisionsRequest) -> bool:
    """Asks once; False where the coordinator was too busy."""
    call = stub.CompareRevisions(request, timeout=PATIENCE_S)
    return await call.code() == grpc.StatusCode.OK


def hold_comparisons(monkeypatch: pytest.MonkeyPatch, begun: threading.Semaphore, may_end: threading.Event) -> None:
    """Has the coordinator's comparisons end no earlier than they may."""

    def compared(old: Configuration, new: Configuration) -> list[Change]:
        begun.release()
        assert may_end.wait(PATIENCE_S)
        return difference(old, new)

    monkeypatch.setattr("coordinator.configuration.service.difference", compared)


def test_configurations_are_examined_one_at_a_time_and_one_whose_caller_has_gone_keeps_its_place(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = threading.Semaphore(0), threading.Event()

    async def scenario() -> None:
        async with federation(certificates, tmp_path / "data") as it:
            stub, second = (ConfigurationServiceStub(it.as_(each)) for each in (ADMIN, "admin/second"))
            await it.apply()
            hold_comparisons(monkeypatch, begun, may_end)
            request = CompareRevisionsRequest(from_revision=1, to_revision=1)
            gone = stub.CompareRevisions(request, timeout=PATIENCE_S)
            assert await asyncio.to_thread(begun.acquire, timeout=PATIENCE_S)
            gone.cancel()
            asked = [asyncio.ensure_future(invoke(second.CompareRevisions, request, PATIENCE_S)) for _ in range(3)]
            assert [await refused(each) for each in asked] == 3 * ["TOO_BUSY"]
            assert not begun.acquire(blocking=False)
            may_end.set()
            async with asyncio.timeout(PATIENCE_S):
                while not await is_answered(second, request):
                    pass  # the work ends in its thread

    monkeypatch.setattr("coordinator.configuration.service.PATIENCE", 0.2)
    run(scenario())


def test_what_enough_administrators_have_signed_waits_for_no_comparison_and_no_dry_run(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = Administrators(tmp_path, FEDERATION)
    begun, may_end = threading.Semaphore(0), threading.Event()

    async def scenario() -> None:
        async with federation(certificates, tmp_path / "data", anchor=people.anchor_file) as it:
            stub, second = (ConfigurationServiceStub(it.as_(each)) for each in (ADMIN, "admin/second"))
            signed = people.signed(people.anchor, CONFIGURATION, CLOCK.now())
            await invoke(stub.ApplyConfiguration, ApplyConfigurationRequest(signed=signed), PATIENCE_S)
            hold_comparisons(monkeypatch, begun, may_end)
            request = CompareRevisionsRequest(from_revision=1, to_revision=1)
            comparison = asyncio.ensure_future(invoke(second.CompareRevisions, request, PATIENCE_S))
            assert await asyncio.to_thread(begun.acquire, timeout=PATIENCE_S)
            dry_run = ApplyConfigurationRequest(configuration=CONFIGURATION, validate_only=True)
            assert await refused(invoke(second.ApplyConfiguration, dry_run, PATIENCE_S)) == "TOO_BUSY"
            following = people.signed(place_of(signed.revision), CONFIGURATION, CLOCK.now())
            applied = ApplyConfigurationRequest(signed=following)
            assert (await invoke(stub.ApplyConfiguration, applied, PATIENCE_S)).federation_revision == 2
            may_end.set()
            await comparison

    monkeypatch.setattr("coordinator.configuration.service.PATIENCE", 0.2)
    run(scenario())


def test_the_elements_of_a_proposal_and_of_a_statement_are_counted_before_they_are_parsed(
    certificates: Certificates, tmp_path: Path
) -> None:
    people = Administrators(tmp_path, FEDERATION)
    empty, named = Configuration(), RevisionStatement()
    empty.policies.add()
    named.administration.administrators.add()

    async def scenario() -> None:
        async with federation(certificates, tmp_path / "data", anchor=people.anchor_file) as it:
            stub = ConfigurationServiceStub(it.as_(ADMIN))
            content = empty.SerializeToString() * (most_elements(largest_request(COMPARE)) + 1)
            first = people.signed(people.anchor, CONFIGURATION, CLOCK.now())
            large = SignedConfiguration(revision=first.revision, content=content)
            statement = named.SerializeToString() * (most_elements(LARGEST_REQUEST) + 1)
            crowded = SignedConfiguration(revision=SignedRevision(statement=statement), content=first.content)
            for each in (large, crowded):
                proposal = CompareRevisionsRequest(proposal=each)
                assert await refused(invoke(stub.CompareRevisions, proposal, PATIENCE_S)) == "TOO_MANY_ELEMENTS"
            applied = ApplyConfigurationRequest(signed=crowded)
            assert await refused(invoke(stub.ApplyConfiguration, applied, PATIENCE_S)) == "TOO_MANY_ELEMENTS"

    run(scenario())


def test_a_revision_of_the_store_that_is_not_in_force_is_compared_with_none() -> None:
    class WithUnverified:
        def snapshot(self) -> Snapshot:
            return Snapshot(1, CONFIGURATION, {}, unverified=LocalizedText(en="revision 2: it is not signed"))

        async def configuration_at(self, _: int) -> Configuration:
            return CONFIGURATION

        async def applied_times(self, _: range) -> Mapping[int, datetime]:
            raise Refused(Reason.REASON_REGISTRY_UNAVAILABLE)

    registry = cast("Registry", WithUnverified())
    service = ConfigurationService(registry, cast("TrustedKeys", None), "crossregion.example", SystemClock())
    context = cast(
        "grpc.aio.ServicerContext[CompareRevisionsRequest, CompareRevisionsResponse]",
        None,
    )

    async def compared() -> None:
        enter(Call(parse(f"spiffe://{FEDERATION}/{ADMIN}", FEDERATION), "CompareRevisions", None))
        known = CompareRevisionsRequest(from_revision=1, to_revision=1)
        answer = await service.CompareRevisions(known, context)
        (told,) = answer.revisions
        assert (len(answer.changes), told.HasField("apply_time")) == (0, False), "etcd does not answer: no time"
        with pytest.raises(Refused, match="to_revision"):
            await service.CompareRevisions(CompareRevisionsRequest(from_revision=1, to_revision=2), context)

    asyncio.run(compared())
