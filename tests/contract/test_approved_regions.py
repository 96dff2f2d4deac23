"""`coordinator enrolments approve` of a region that a revision adds: tries that fail, and the next ones."""

from pathlib import Path

import pytest

from gateway.api.coordinator.v1.administration_pb2 import (
    ApplyConfigurationRequest,
    GetConfigurationRequest,
    SignedConfiguration,
)
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.revision_pb2 import Anchor, ProposedRevision
from gateway.rpc.channels import invoke
from tests.administrators import Administrators
from tests.contract.coordinators import ADMIN, PATIENCE_S, run
from tests.contract.enrolling import Scene, fingerprint_in, scene
from tests.contract.small_federation import CLOCK, FEDERATION
from tests.shipped import shipped_configuration, without


async def place(at: Scene) -> Anchor:
    """The place of the configuration in force in the chain."""
    stub = ConfigurationServiceStub(at.running.as_(ADMIN))
    return (await invoke(stub.GetConfiguration, GetConfigurationRequest(), PATIENCE_S)).place


async def applied(at: Scene, people: Administrators, wanted: Configuration) -> SignedConfiguration:
    """Puts a configuration in force, signed by all."""
    signed = people.signed(await place(at), wanted, CLOCK.now())
    stub = ConfigurationServiceStub(at.running.as_(ADMIN))
    await invoke(stub.ApplyConfiguration, ApplyConfigurationRequest(signed=signed), PATIENCE_S)
    return signed


async def proposal_after(at: Scene, people: Administrators, before: SignedConfiguration) -> bytes:
    """The shipped configuration as the proposal, signed by all, of the revision after the one in force."""
    previous = await place(at)
    whole = people.signed(previous, shipped_configuration(), CLOCK.now())
    return ProposedRevision(
        revision=whole.revision,
        configuration=whole.content,
        previous=previous,
        previous_configuration=before.content,
        previous_statement=before.revision.statement,
    ).SerializeToString()


@pytest.mark.slow  # commands
def test_an_approval_whose_certificates_cannot_be_made_puts_nothing_in_force_and_one_that_broke_off_is_repeated(
    tmp_path: Path,
) -> None:
    people, file = Administrators(tmp_path, FEDERATION), tmp_path / "revision.bin"

    async def scenario() -> None:
        async with scene(tmp_path, people) as at:
            await applied(at, people, shipped_configuration())
            token = await at.invited()
            lesser = await applied(at, people, without("hunan", shipped_configuration()))
            file.write_bytes(await proposal_after(at, people, lesser))
            fingerprint = fingerprint_in(await at.join(token))
            long = await at.approve("wang", fingerprint, "--revision", str(file), "--yes", "--days", "99")
            assert (long.code, "cannot outlive that of its authority, which ends" in long.err) == (1, True), long.err
            assert ((await place(at)).revision, at.certified()) == (2, [])

            (tmp_path / "authority" / "issued").write_text("no directory")
            broken = await at.approve("wang", fingerprint, "--revision", str(file), "--yes")
            assert (broken.code, (await place(at)).revision, await at.state()) == (1, 3, "REQUESTED"), broken.err

            (tmp_path / "authority" / "issued").unlink()
            again = await at.approve("wang", fingerprint, "--revision", str(file), "--yes")
            assert (again.code, "is in force already" in again.err) == (0, True), again.err
            assert ((await place(at)).revision, at.certified(), await at.state()) == (3, ["hunan"], "APPROVED")

            later = await applied(at, people, shipped_configuration())
            words = ("--revision", str(file))
            repeated = await at.approve("wang", fingerprint, *words)
            assert (repeated.code, "approved already" in repeated.out) == (0, True), repeated.err
            file.write_bytes(await proposal_after(at, people, later))
            for wanted in (None, without("hunan", shipped_configuration()), shipped_configuration()):
                if wanted is not None:
                    await applied(at, people, wanted)
                other = await at.approve("wang", fingerprint, *words)
                assert (other.code, other.out, "is not in force" in other.err) == (1, "", True), other.err

    run(scenario())
