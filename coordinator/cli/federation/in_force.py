"""Reads and replaces the configuration in force for administrators' commands."""

from collections.abc import Sequence
from pathlib import Path

import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from coordinator.cli.connection import TIMEOUT, Connection
from coordinator.cli.federation.proposals import (
    DEFAULT_DAYS,
    add_signature,
    proposal,
    read_proposal,
    signed_configuration,
    signer_of,
)
from coordinator.configuration.comparing import is_of_no_revision
from gateway.api.coordinator.v1 import administration_pb2 as contract
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.network_pb2 import Network
from gateway.api.federation.v1.revision_pb2 import ProposedRevision
from gateway.cli.exits import NotDone
from gateway.errors import Refused
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


def network_in_force(connection: Connection) -> Network:
    """The registry of the network in force, which has the names of its elements. Raises as `Connection.ask`."""
    request = contract.GetConfigurationRequest(read_mask=FieldMask(paths=["network"]))
    stub = ConfigurationServiceStub
    answer = connection.ask(lambda channel: invoke(stub(channel).GetConfiguration, request, TIMEOUT))
    return answer.configuration.network


def content_in_force(connection: Connection) -> contract.GetConfigurationResponse:
    """The configuration in force as transported, with its place in the chain. Raises as `Connection.ask`."""
    request = contract.GetConfigurationRequest(wants_content=True)
    return connection.ask(lambda channel: invoke(ConfigurationServiceStub(channel).GetConfiguration, request, TIMEOUT))


def came_into_force(
    connection: Connection, proposed: ProposedRevision, now: contract.GetConfigurationResponse
) -> bool | None:
    """Whether a proposal is in force, or was before a later revision. Raises as `Connection.ask`.

    None where that is unknown: the signed revisions of the coordinator begin after it. `now` is the configuration in
    force.
    """
    own = digest(proposed.revision.statement)
    if own == now.place.digest:
        return True
    next_one = proposed.previous.revision + 2  # its statement names the digest of the one before
    if next_one > now.place.revision:
        return False
    followed = connection.ask(lambda channel: _followed_by(channel, next_one))
    return followed == own if followed else None


async def _followed_by(channel: grpc.aio.Channel, revision: int) -> bytes:
    """The digest that the statement of a revision follows; empty where the coordinator has no such statement."""
    request = contract.CompareRevisionsRequest(from_revision=revision, to_revision=revision)
    try:
        answer = await invoke(ConfigurationServiceStub(channel).CompareRevisions, request, TIMEOUT)
    except Refused as error:
        if not is_of_no_revision(error):
            raise
        return b""
    return b"".join(each.previous_digest for each in answer.revisions)


def require_was_in_force(connection: Connection, file: Path) -> None:
    """Ends the approval of a region that is approved, for a proposal that has never come into force, or may not have.

    Raises NotDone or CannotReach.
    """
    was_in_force = came_into_force(connection, read_proposal(file), in_force(connection))
    if was_in_force is None:
        told = translated(
            "the enrolment is approved already, and nothing was changed. Whether {path} was ever in force is unknown:"
            " the signed revisions of this coordinator begin after it. To do: see in `coordinator federation show`"
            " whether the configuration names the region, and leave out --revision if it does.",
            path=file,
        )
        raise NotDone([told])
    if not was_in_force:
        told = translated(
            "the enrolment is approved already, but {path} is not in force: nothing was changed. To do: compare"
            " it with `coordinator federation history`; `federation sign` and `apply` put it in force.",
            path=file,
        )
        raise NotDone([told])


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
