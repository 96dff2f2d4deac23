"""A suspension in a federation whose administrators sign: no coordinator makes, ends or forgets one."""

from pathlib import Path

import pytest

from gateway.api.coordinator.v1.administration_pb2 import (
    GetConfigurationRequest,
    ReinstateRegionRequest,
    SuspendRegionRequest,
)
from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.federation.v1.revision_pb2 import SignedSuspension
from gateway.federation.suspensions import signed_suspension
from gateway.security.signing import Signer
from region_node.node.membership.last_good import LastGood
from tests.administrators import Administrators
from tests.federation.certificates import FEDERATION
from tests.federation.databases import Databases
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, running, until
from tests.federation.test_split_views import REGIONS, first_of, shown_by_another

SUSPENDED, JOINED = MemberState.MEMBER_STATE_SUSPENDED, MemberState.MEMBER_STATE_JOINED


async def until_known(federation: Federation, state: MemberState.ValueType) -> None:
    """Returns when Guangdong's node knows Sichuan to stand so, and keeps that on disk."""

    async def holds() -> bool:
        kept = LastGood(federation.region_settings("guangdong").data).load()
        return kept is not None and [each.state for each in kept.members if each.region == "sichuan"] == [state]

    await until(holds, "Guangdong knows how Sichuan stands")


@pytest.mark.long("two regions, and a coordinator whose database is lost")
async def test_an_administrator_suspends_and_reinstates_and_a_coordinator_with_an_empty_database_is_told_again(
    tmp_path: Path, databases: Databases
) -> None:
    people = Administrators(tmp_path, FEDERATION)
    async with running(tmp_path / "federation", databases, REGIONS, administrators=people) as federation:
        place = (
            await federation.administration.GetConfiguration(GetConfigurationRequest(), timeout=CALL_SECONDS)
        ).place
        (tmp_path / "strangers").mkdir()
        now, li = federation.clock.now(), people.signers["li"]
        stranger = Administrators(tmp_path / "strangers", FEDERATION).signers["li"]

        def by(signer: Signer) -> SignedSuspension:
            return signed_suspension(signer, place, "sichuan", now, suspended=True, note="why")

        for signed, reason in ((None, "SUSPENSION_UNSIGNED"), (by(stranger), "SUSPENSION_UNPROVEN")):
            request = SuspendRegionRequest(region="sichuan", note="why", signed=signed)
            told = await refusal(federation.membership.SuspendRegion(request, timeout=CALL_SECONDS))
            assert told.reason == reason
        other = SuspendRegionRequest(region="guangdong", note="why", signed=by(li))
        assert (await refusal(federation.membership.SuspendRegion(other, timeout=CALL_SECONDS))).reason == (
            "REQUEST_INVALID"
        )
        await federation.suspend("sichuan")
        await until_known(federation, SUSPENDED)
        unsigned = ReinstateRegionRequest(region="sichuan")
        told = await refusal(federation.membership.ReinstateRegion(unsigned, timeout=CALL_SECONDS))
        assert told.reason == "SUSPENSION_UNSIGNED"
        outdated = ReinstateRegionRequest(
            region="sichuan", signed=signed_suspension(li, place, "sichuan", now, suspended=False)
        )
        told = await refusal(federation.membership.ReinstateRegion(outdated, timeout=CALL_SECONDS))
        assert told.reason == "SUSPENSION_OUTDATED"

        first = first_of(federation)
        assert federation.coordinator is not None
        port = federation.coordinator.port
        await federation.coordinator.stop()
        federation.coordinator = None
        async with shown_by_another(federation, first, at=str(port)):

            async def is_suspended() -> bool:
                return (await federation.members())["sichuan"].state == SUSPENDED

            await until(is_suspended, "Guangdong has given the statement back")
            await federation.reinstate("sichuan")
            await federation.until_members(dict.fromkeys(REGIONS, JOINED))
            await until_known(federation, JOINED)
