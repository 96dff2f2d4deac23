"""The node of a region and the identity of its caller, from settings or the environment; channels to the node."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import grpc

from gateway.api.types.v1.access_pb2 import Role
from gateway.client import aio, blocking
from gateway.client.repeating import PATIENCE
from gateway.security.identity import server_name
from gateway.security.tls import Credentials, client_credentials, client_options
from gateway.settings import SettingsError, require_address

_NODE, _CREDENTIALS = "CROSSREGION_NODE", "CROSSREGION_CREDENTIALS"
_FEDERATION, _REGION = "CROSSREGION_FEDERATION", "CROSSREGION_REGION"
_STAFF_PROOF = "CROSSREGION_STAFF_PROOF"


@dataclass(frozen=True)
class Region:
    """A region's node, and an operator system or a member of staff who calls it. Raises SettingsError."""

    node: str
    """`host:port`. All addresses of the host are tried."""
    region: str
    federation: str
    credentials: Path
    """The directory with authority.crt, tls.crt and tls.key."""
    staff_proof: str = field(default="", repr=False)
    """The statement or token of the member of staff who acts through an operator system."""
    patience: float = PATIENCE
    """Seconds for a call with all its repeats, where the call names no timeout."""
    throttles: bool = True
    """Whether a channel refuses calls by itself that the node would refuse for want of room."""

    def __post_init__(self) -> None:
        try:
            require_address("node", self.node)
            server_name(Role.ROLE_REGION, self.region, self.federation)
        except ValueError as error:
            raise SettingsError([str(error)]) from error

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The node and the caller of the variables that `region-node` reads. Raises SettingsError."""
        needed = (_NODE, _REGION, _FEDERATION, _CREDENTIALS)
        if missing := [name for name in needed if not environment.get(name)]:
            raise SettingsError([f"{name}: not set" for name in missing])
        node, region, federation, credentials = (environment[name] for name in needed)
        return cls(node, region, federation, Path(credentials), _read(environment.get(_STAFF_PROOF, "")))

    def channel(self) -> grpc.Channel:
        """A channel for threads; close it, or use it in `with`. It keeps the certificate and the proof of now.

        Raises CredentialsUnusable.
        """
        plain = grpc.secure_channel(self.node, self._credentials(), client_options(self._name))
        throttling = [blocking.Throttling()] if self.throttles else []
        return grpc.intercept_channel(plain, blocking.Repeating(self.patience), *throttling)

    def aio_channel(self) -> grpc.aio.Channel:
        """As `channel`, for one event loop of asyncio."""
        throttling = [aio.Throttling()] if self.throttles else []
        return grpc.aio.secure_channel(
            self.node,
            self._credentials(),
            options=client_options(self._name),
            interceptors=[aio.Repeating(self.patience), *throttling],
        )

    @property
    def _name(self) -> str:
        return server_name(Role.ROLE_REGION, self.region, self.federation)

    def _credentials(self) -> grpc.ChannelCredentials:
        return client_credentials(Credentials.within(self.credentials), datetime.now(UTC), self.staff_proof)


def _read(proof: str) -> str:
    """The statement or token in a file; empty without one. Raises SettingsError."""
    if not proof:
        return ""
    try:
        return Path(proof).read_text("utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise SettingsError([f"{_STAFF_PROOF}: {proof}: {error}"]) from error
