"""The option `--key` of commands that do something at a node: an administrator signs the act."""

from pathlib import Path

import click
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

from coordinator.cli.asking import Asking
from coordinator.cli.federation.in_force import in_force
from coordinator.cli.federation.proposals import signer_of
from gateway.api.federation.v1.revision_pb2 import SignedAct
from gateway.cli.clock import command_clock
from gateway.federation.acts import signed_act

key_option = click.option(
    "--key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Sign with this key of an administrator.",
)


def signed(
    asking: Asking, key: Path | None, service: ServiceDescriptor, rpc: str, region: str, request: Message
) -> SignedAct | None:
    """The act that a key signs: the request of an RPC to the node of a region. None without a key.

    `region` is empty where the coordinator finds the region that decides. Raises NotDone.
    """
    if key is None:
        return None
    place = in_force(asking.link).place
    method = f"/{service.full_name}/{rpc}"
    return signed_act(signer_of(key), place.federation, method, region, request, command_clock().now())
