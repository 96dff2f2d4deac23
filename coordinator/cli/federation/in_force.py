"""Reads and replaces the configuration in force for administrators' commands."""

from coordinator.cli.connection import TIMEOUT, Connection
from gateway.api.coordinator.v1 import administration_pb2 as contract
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.cli.exits import NotDone
from gateway.rpc.channels import invoke
from gateway.security.tls import MAX_MESSAGE_BYTES
from gateway.wording.languages import translated

_APPLY_SECONDS = 60.0  # for a large number plan on a busy machine
_ROOM_BYTES = 1024 * 1024  # for the rest of the message, such as the members


def in_force(connection: Connection) -> contract.GetConfigurationResponse:
    """The configuration in force, with its revision. Raises as `Connection.ask`."""
    return connection.ask(
        lambda channel: invoke(
            ConfigurationServiceStub(channel).GetConfiguration, contract.GetConfigurationRequest(), TIMEOUT
        )
    )


def put_in_force(
    connection: Connection,
    wanted: Configuration,
    *,
    expected_revision: int,
    dry_run: bool,
    allow_unreadable: bool = False,
) -> contract.ApplyConfigurationResponse:
    """Puts a configuration in force, or only checks it. Raises NotDone or CannotReach."""
    if (size := wanted.ByteSize()) > MAX_MESSAGE_BYTES - _ROOM_BYTES:
        raise NotDone(
            [
                translated(
                    "the configuration has {size} bytes; at most {limit} can be pushed",
                    size=size,
                    limit=MAX_MESSAGE_BYTES - _ROOM_BYTES,
                )
            ]
        )
    request = contract.ApplyConfigurationRequest(
        configuration=wanted,
        expected_revision=expected_revision,
        validate_only=dry_run,
        allow_unreadable=allow_unreadable,
    )
    return connection.ask(
        lambda channel: invoke(ConfigurationServiceStub(channel).ApplyConfiguration, request, _APPLY_SECONDS)
    )
