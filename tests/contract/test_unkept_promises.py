"""A promise that no order could keep: it is not put in force, and one that is hinders no other change."""

from pathlib import Path

import pytest

from gateway.api.coordinator.v1.administration_pb2 import ApplyConfigurationRequest, GetConfigurationRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.errors import Refused
from gateway.rpc.channels import invoke
from tests.contract.coordinators import ADMIN, PATIENCE_S, federation, run
from tests.contract.small_federation import CONFIGURATION, Certificates


def test_a_promise_that_cannot_be_kept_is_not_put_in_force_and_one_that_is_hinders_no_other_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def promising(seconds: int, name: str) -> Configuration:
        wanted = Configuration()
        wanted.CopyFrom(CONFIGURATION)
        next(each for each in wanted.businesses if each.code == "TRANSFER").limit.duration.seconds = seconds
        wanted.plans[0].name.en = name
        return wanted

    async def scenario() -> None:
        async with federation(Certificates(tmp_path / "certificates"), tmp_path / "data") as it:
            stub = ConfigurationServiceStub(it.as_(ADMIN))

            async def apply(wanted: Configuration) -> int:
                found = await invoke(stub.GetConfiguration, GetConfigurationRequest(), PATIENCE_S)
                asked = ApplyConfigurationRequest(configuration=wanted, expected_revision=found.federation_revision)
                return (await invoke(stub.ApplyConfiguration, asked, PATIENCE_S)).federation_revision

            async def is_refused(wanted: Configuration) -> bool:
                with pytest.raises(Refused) as refusal:
                    await apply(wanted)
                return "businesses[TRANSFER].limit: survey and" in refusal.value.parameters["problem"]

            assert await is_refused(promising(3600, "Before"))
            with monkeypatch.context() as former_version:
                former_version.setattr("coordinator.configuration.service.problems_not_in_force", lambda *_: [])
                assert await apply(promising(3600, "Before")) == 1
            assert await apply(promising(3600, "After")) == 2
            assert await is_refused(promising(1800, "After"))

    run(scenario())
