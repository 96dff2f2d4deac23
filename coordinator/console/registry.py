"""The registry of the network, without the rest of the configuration: a number plan may be large."""

from google.protobuf.field_mask_pb2 import FieldMask

from coordinator.console import rpcs
from gateway.api.coordinator.v1.administration_pb2 import GetConfigurationRequest
from gateway.api.federation.v1.network_pb2 import Network
from gateway.web.console.pages import Calling


async def network_of(calling: Calling) -> Network:
    """The network in force."""
    request = GetConfigurationRequest(read_mask=FieldMask(paths=["network"]))
    return (await calling.ask(rpcs.GET_CONFIGURATION, request)).configuration.network
