"""Reads and replaces the configuration in force for administrators' commands."""

from collections.abc import Sequence
from pathlib import Path

from coordinator.cli.connection import TIMEOUT, Connection
from coordinator.cli.federation.proposals import (
    DEFAULT_DAYS,
    add_signature,
    proposal,
    signed_configuration,
    signer_of,
)
from gateway.api.coordinator.v1 import administration_pb2 as contract
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.revision_pb2 import ProposedRevision
from gateway.cli.exits import NotDone
from gateway.federation.revisions import digest
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


def content_in_force(connection: Connection) -> contract.GetConfigurationResponse:
    """The configuration in force as transported, with its place in the chain. Raises as `Connection.ask`."""
    request = contract.GetConfigurationRequest(wants_content=True)
    return connection.ask(lambda channel: invoke(ConfigurationServiceStub(channel).GetConfiguration, request, TIMEOUT))


def came_into_force(connection: Connection, proposed: ProposedRevision, now: contract.GetConfigurationResponse) -> bool:
    """Whether a proposal is in force, or was before a later revision. Raises as `Connection.ask`.

    `now` is the configuration in force.
    """
    own = digest(proposed.revision.statement)
    if own == now.place.digest:
        return True
    next_one = proposed.previous.revision + 2  # its statement names the digest of the one before
    if next_one > now.place.revision:
        return False
    request = contract.CompareRevisionsRequest(from_revision=next_one, to_revision=next_one)
    answer = connection.ask(
        lambda channel: invoke(ConfigurationServiceStub(channel).CompareRevisions, request, TIMEOUT)
    )
    return [each.previous_digest for each in answer.revisions] == [own]


def put_in_force(
    connection: Connection,
    wanted: Configuration,
    before: contract.GetConfigurationResponse,
    *,
    dry_run: bool,
    keys: Sequence[Path] = (),
    allow_unreadable: bool = False,
) -> contract.ApplyConfigurationResponse:
    """Puts a configuration in force after that of `before`, or only checks it, signed with the keys of these files.

    Raises NotDone or CannotReach.
    """
    request = contract.ApplyConfigurationRequest(validate_only=dry_run, allow_unreadable=allow_unreadable)
    if keys:
        proposed = proposal(before.place, wanted, DEFAULT_DAYS)
        for key in keys:
            add_signature(proposed, signer_of(key))
        request.signed.CopyFrom(signed_configuration(proposed))
    else:
        request.configuration.CopyFrom(wanted)
        request.expected_revision = before.federation_revision
    return apply(connection, request)


def apply(connection: Connection, request: contract.ApplyConfigurationRequest) -> contract.ApplyConfigurationResponse:
    """Sends a configuration. Raises NotDone or CannotReach."""
    if (size := request.ByteSize()) > MAX_MESSAGE_BYTES - _ROOM_BYTES:
        raise NotDone(
            [
                translated(
                    "the configuration has {size} bytes; at most {limit} can be pushed",
                    size=size,
                    limit=MAX_MESSAGE_BYTES - _ROOM_BYTES,
                )
            ]
        )
    return connection.ask(
        lambda channel: invoke(ConfigurationServiceStub(channel).ApplyConfiguration, request, _APPLY_SECONDS)
    )
