"""The configuration of the shipped files, for tests that are not about reading them."""

import functools

from google.protobuf.message import Message

from deploy.local.federation import FEDERATION_FILES
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.federation.files import load


@functools.cache
def _shipped() -> bytes:
    return load(FEDERATION_FILES).SerializeToString()


def shipped_configuration() -> Configuration:
    """The configuration of the shipped files, which a process reads once; a message of the caller's own."""
    return Configuration.FromString(_shipped())


def without(region: str, configuration: Configuration) -> Configuration:
    """A configuration that names a region nowhere, nor what hangs on its places in the network."""
    sites = {each.id for each in configuration.network.sites if each.region == region}
    links = {each.id for each in configuration.network.links if {each.site_a, each.site_b} & sites}

    def stays(each: Message) -> bool:
        named = (getattr(each, "region", ""), getattr(each, "id", ""))
        hangs = {*getattr(each, "sites", ()), *getattr(each, "links", ()), named[1]} & (sites | links)
        return region not in named and not hangs

    for message in (configuration, configuration.number_plan, configuration.network, configuration.body):
        for field, values in message.ListFields():
            if field.is_repeated and field.message_type is not None:
                kept = [each for each in values if stays(each)]
                del values[:]
                values.extend(kept)
    return configuration
