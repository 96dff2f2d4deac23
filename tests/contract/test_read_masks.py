"""GetConfiguration with a read mask: a part of a configuration without the rest, whose number plan may be large."""

from pathlib import Path

from google.protobuf.field_mask_pb2 import FieldMask

from gateway.api.coordinator.v1.administration_pb2 import GetConfigurationRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.rpc.channels import invoke
from tests.contract.coordinators import ADMIN, PATIENCE_S, federation, refused, run
from tests.contract.small_federation import CONFIGURATION, Certificates


def test_a_read_mask_gets_its_parts_alone_and_an_unknown_part_is_refused(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with federation(certificates, tmp_path / "data") as it:
            stub = ConfigurationServiceStub(it.as_(ADMIN))
            await it.apply()

            def asking(*parts: str) -> GetConfigurationRequest:
                return GetConfigurationRequest(read_mask=FieldMask(paths=parts))

            found = await invoke(stub.GetConfiguration, asking("network", "regions"), PATIENCE_S)
            parts = Configuration(network=CONFIGURATION.network, regions=CONFIGURATION.regions)
            assert (found.federation_revision, found.configuration) == (1, parts)
            assert await refused(invoke(stub.GetConfiguration, asking("regions.id"), PATIENCE_S)) == "REQUEST_INVALID"

    run(scenario())
