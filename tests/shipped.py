"""The configuration of the shipped files, for tests that are not about reading them."""

import functools

from deploy.local.federation import FEDERATION_FILES
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.federation.files import load


@functools.cache
def _shipped() -> bytes:
    return load(FEDERATION_FILES).SerializeToString()


def shipped_configuration() -> Configuration:
    """The configuration of the shipped files, which a process reads once; a message of the caller's own."""
    return Configuration.FromString(_shipped())
