"""The capabilities of regions: reported by nodes, stored by coordinators, and respected when one is applied."""

from pathlib import Path

import pytest

from coordinator.registry.port import Registry
from deploy.local.federation import FEDERATION_FILES
from gateway.api.coordinator.v1.administration_pb2 import ApplyConfigurationRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub
from gateway.api.federation.v1.configuration_pb2 import Configuration, DataClass
from gateway.api.federation.v1.federation_pb2 import Capabilities
from gateway.errors import Refused, reason_name
from gateway.federation.capabilities import own_capabilities
from gateway.rpc.channels import invoke
from tests.contract.coordinators import ADMIN, PATIENCE_S, federation, join_request, keys_of, refused
from tests.contract.registries import Registries, heartbeat, run
from tests.contract.small_federation import CONFIGURATION, Certificates
from tests.contract.test_coordinator_cli import command
from tests.later_version import LATER_VALUE


def without(number: int) -> Capabilities:
    """The capabilities of a version without one class of data."""
    capabilities = own_capabilities()
    (told,) = (each for each in capabilities.capabilities if each.name == DataClass.DESCRIPTOR.full_name)
    told.numbers.remove(number)
    return capabilities


def test_what_the_processes_of_a_region_can_read_is_known_and_kept_when_it_is_silent(opened: Registries) -> None:
    def reads(registry: Registry) -> list[list[int]]:
        versions = registry.snapshot().facts("sichuan").versions()
        return sorted([*each.numbers] for version in versions for each in version.capabilities)

    async def scenario() -> None:
        async with opened() as registry:
            await registry.beat("sichuan", heartbeat("127.0.0.1:1", reads=(1, 2)))
            await registry.beat("sichuan", heartbeat("127.0.0.1:2", reads=(1, 2)))
            assert registry.snapshot().facts("sichuan").live["127.0.0.1:1"].report.unreadable == "revision 2"
            await registry.beat("sichuan", heartbeat("127.0.0.1:2", reads=(1, 2, 3)))
            assert reads(registry) == [[1, 2], [1, 2, 3]], "one process is upgraded, the other is not yet"
            for endpoint in ("127.0.0.1:1", "127.0.0.1:2"):
                await registry.leave("sichuan", endpoint)
            assert reads(registry) == [[1, 2, 3]]
        async with opened() as registry:
            assert reads(registry) == [[1, 2, 3]]

    run(scenario())


def test_what_a_member_cannot_read_is_not_applied_before_it_is_upgraded(
    certificates: Certificates, tmp_path: Path
) -> None:
    before = Configuration()
    before.CopyFrom(CONFIGURATION)
    number = before.retention_rules.pop().data_class

    async def scenario() -> None:
        sichuan = keys_of(certificates, "sichuan")
        async with federation(certificates, tmp_path / "data") as it:
            stub = ConfigurationServiceStub(it.as_(ADMIN))
            await it.apply(before)
            older, newer = join_request(sichuan), join_request(sichuan)
            older.capabilities.CopyFrom(without(number))
            newer.capabilities.CopyFrom(own_capabilities())
            await it.join(sichuan, older)
            wanted = ApplyConfigurationRequest(configuration=CONFIGURATION, expected_revision=1)
            for wanted.validate_only in (True, False):
                with pytest.raises(Refused) as refusal:
                    await invoke(stub.ApplyConfiguration, wanted, PATIENCE_S)
                assert reason_name(refusal.value.reason) == "CONFIGURATION_UNREADABLE"
                assert refusal.value.parameters["member"] == "sichuan"
                assert refusal.value.parameters["field"].endswith(f".data_class = {number}")
            before.regions[0].name.en = "New"
            assert await it.apply(before) == 2, "a member can read what else is changed"
            wanted.expected_revision, wanted.allow_unreadable = 2, True
            assert (await invoke(stub.ApplyConfiguration, wanted, PATIENCE_S)).federation_revision == 3
            other = Configuration()
            other.CopyFrom(CONFIGURATION)
            other.regions[0].name.en = "Newer"
            assert await it.apply(other) == 4, "a member that lags does not lag further"
            assert await it.apply(before) == 5
            await it.join(sichuan, newer)
            assert await it.apply() == 6
        assert [row.action for row in it.audit_rows() if row.subject == "region/sichuan"] == [
            "REGION_JOINED",
            "CAPABILITIES_CHANGED",
        ]

    run(scenario())


def test_an_administrator_is_told_whom_to_upgrade_and_may_apply_it_all_the_same(tmp_path: Path) -> None:
    certificates, before = Certificates(tmp_path / "certificates"), Configuration()
    before.CopyFrom(CONFIGURATION)
    number = before.retention_rules.pop().data_class
    apply = ("federation", "apply", str(FEDERATION_FILES))

    async def scenario() -> None:
        sichuan = keys_of(certificates, "sichuan")
        async with federation(certificates, tmp_path / "data") as it:
            await it.apply(before)
            request = join_request(sichuan)
            request.capabilities.CopyFrom(without(number))
            await it.join(sichuan, request)
            code, _, errors = await command(certificates, it.endpoint, *apply)
            assert (code, errors.split(": ")[1]) == (1, "CONFIGURATION_UNREADABLE")
            assert "sichuan runs a version that cannot read this configuration" in errors
            code, out, _ = await command(certificates, it.endpoint, *apply, "--allow-unreadable")
            assert (code, "revision 2 is in force" in out) == (0, True)

    run(scenario(), PATIENCE_S)


def test_a_coordinator_applies_nothing_that_it_cannot_read_itself(certificates: Certificates, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with federation(certificates, tmp_path / "data") as it:
            later = Configuration()
            later.CopyFrom(CONFIGURATION)
            later.retention_rules[0].data_class = DataClass.ValueType(LATER_VALUE)
            request = ApplyConfigurationRequest(configuration=later, allow_unreadable=True)
            stub = ConfigurationServiceStub(it.as_(ADMIN))
            assert await refused(invoke(stub.ApplyConfiguration, request, PATIENCE_S)) == "CONFIGURATION_UNREADABLE"

    run(scenario())
