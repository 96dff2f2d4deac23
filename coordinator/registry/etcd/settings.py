"""The addresses of etcd's members, and a coordinator's credentials for them."""

from dataclasses import dataclass

from gateway.security.tls import Credentials
from gateway.settings import require_address
from gateway.wording.languages import translated


@dataclass(frozen=True)
class EtcdSettings:
    """The etcd cluster that the coordinators of a federation share."""

    endpoints: tuple[str, ...]
    """Where the members serve clients: `host:port` each, at least one."""
    credentials: Credentials
    """The authority of etcd, which is not the federation's, and the certificate and key that it issued."""

    def __post_init__(self) -> None:
        if not self.endpoints:
            raise ValueError(translated("{key}: name at least one", key="endpoints"))
        for endpoint in self.endpoints:
            require_address("endpoints", endpoint)
        if len(set(self.endpoints)) < len(self.endpoints):
            raise ValueError(translated("endpoints: name each member once"))
