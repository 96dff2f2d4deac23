"""The witnesses of a region's audit chain as its node knows them, beside a coordinator that would choose them."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.api.federation.v1.federation_pb2 import Member, MemberState, WatchResponse
from gateway.api.federation.v1.revision_pb2 import SignedSuspension
from gateway.federation.revisions import Chain
from gateway.federation.suspensions import signed_suspension
from region_node.node.witnessing.notifier import candidates
from tests.administrators import Administrators
from tests.contract.membership_node import NodeUnderTest, eventually, node, running
from tests.contract.small_federation import (
    CONFIGURATION,
    FEDERATION,
    NOTHING_LISTENS,
    NOW,
    Certificates,
    Coordinator,
    coordinator,
)
from tests.contract.test_membership_client import certificates_of_a_federation, member

__all__ = ("certificates_of_a_federation",)
OTHERS = ["guangdong", "henan"]
MARK = "marker"  # a member by which a test sees that the node has taken over a state


def state_of(members: Sequence[Member], people: Administrators | None, *suspensions: SignedSuspension) -> WatchResponse:
    """A state with the shipped configuration, which these administrators have signed."""
    state = WatchResponse(federation_revision=1, members=members, suspensions=suspensions)
    if people is None:
        state.configuration.CopyFrom(CONFIGURATION)
        return state
    signed = people.signed(people.anchor, CONFIGURATION, NOW)
    state.configuration_content = signed.content
    state.revisions.append(signed.revision)
    return state


async def told(hub: Coordinator, under_test: NodeUnderTest, state: WatchResponse, mark: str) -> None:
    """Returns once the node has taken over a state."""
    state.members.append(Member(region=MARK, state_note=mark))
    hub.put(state)

    def is_taken() -> bool:
        marked = under_test.current.state().members.get(MARK)
        return marked is not None and marked.state_note == mark

    await eventually(lambda: under_test.current.revision == 1)
    await eventually(is_taken)


@pytest.mark.parametrize("is_signed", [True, False], ids=["signed", "unsigned"])
def test_no_coordinator_chooses_the_witnesses_by_what_it_tells_of_regions_or_leaves_out(
    certificates: Certificates, tmp_path: Path, *, is_signed: bool
) -> None:
    people = Administrators(tmp_path, FEDERATION) if is_signed else None
    anchor = people.anchor if people is not None else None

    async def story() -> None:
        joined = [member(each, certificates.issue(f"region/{each}")) for each in OTHERS]
        false = [
            Member(region=OTHERS[0], state=MemberState.MEMBER_STATE_SUSPENDED),
            Member(region=OTHERS[1], state=MemberState.MEMBER_STATE_ABSENT),
            Member(region="hunan", state=MemberState.MEMBER_STATE_JOINED, signing_certificate=b"forged"),
        ]
        async with coordinator(certificates) as hub:
            hub.put(state_of(joined, people))
            async with (
                node(certificates, tmp_path / "data", hub.endpoint, anchor=anchor) as under_test,
                running(under_test.client.follow()),
            ):
                for mark, members in (("honest", joined), ("false", false), ("silent", [])):
                    await told(hub, under_test, state_of(members, people), mark)
                    assert candidates(under_test.border) == OTHERS, mark
        async with node(certificates, tmp_path / "data", NOTHING_LISTENS, anchor=anchor) as under_test:
            assert candidates(under_test.border) == OTHERS

    asyncio.run(story())


def test_a_region_that_an_administrator_has_suspended_by_signature_witnesses_nothing(
    certificates: Certificates, tmp_path: Path
) -> None:
    people = Administrators(tmp_path, FEDERATION)

    async def story() -> None:
        joined = [member(each, certificates.issue(f"region/{each}")) for each in OTHERS]
        place = Chain.of(people.anchor).followed(state_of((), people).revisions).place
        suspension = signed_suspension(people.signers["li"], place, OTHERS[1], NOW, suspended=True, note="why")
        async with coordinator(certificates) as hub:
            hub.put(state_of(joined, people))
            async with (
                node(certificates, tmp_path / "data", hub.endpoint, anchor=people.anchor) as under_test,
                running(under_test.client.follow()),
            ):
                await told(hub, under_test, state_of(joined, people, suspension), "suspended")
                assert candidates(under_test.border) == OTHERS[:1]

    asyncio.run(story())
